# SPDX-License-Identifier: Apache-2.0
"""Tempest's tests of volumes, with our volume type and with upstream's."""

from collections import Counter
from collections.abc import Iterator
import configparser
import contextlib
from dataclasses import dataclass
import os
import pathlib
import re
import signal
import subprocess
import tempfile
from typing import Any

from compat import report
from compat.environment import install
from compat.running import FOLDER, Failed, run
from sandbox import rest
from sandbox.cloud import Cloud
from sandbox.options import Options
from sandbox.stack import Stack

PACKAGES = ('tempest==47.*', 'cinder-tempest-plugin==1.23.*', 'setuptools<81')
TYPES = ('cow', 'upstream')
#: What is tested, as a regular expression. The plugin's third part, rbac, is
#: about the API's policies: no driver has a part in them.
TESTS = r'^(tempest\.api\.volume|cinder_tempest_plugin\.(api|scenario))\.'
#: They need a server, and do not look whether there is a Nova.
LEFT_OUT = r'\.SnapshotDataIntegrityTests\.|\.test_incremental_backup\['
#: There is no Nova in the sandbox. Tempest takes a service of this type that
#: knows nothing for Neutron, see _add_network_service().
SETTINGS = {
    # Of a test that fails, its messages come with its traceback.
    'DEFAULT': {'use_stderr': 'false'},
    'auth': {
        'admin_username': 'admin',
        'admin_password': rest.PASSWORD,
        'admin_project_name': 'admin',
        'admin_domain_name': 'Default',
        'create_isolated_networks': 'false',
        'tempest_roles': 'member',
    },
    'service_available': {
        'nova': 'false',
        'neutron': 'true',
        'swift': 'false',
    },
    'identity': {'region': rest.REGION},
    'compute-feature-enabled': {'volume_multiattach': 'true'},
    'volume': {
        'storage_protocol': 'ceph',
        'backend_names': 'cow,upstream',
        'manage_snapshot_ref': 'source-name,snapshot-%s',
        'max_microversion': 'latest',
    },
    'volume-feature-enabled': {
        'backup': 'true',
        'multi_backend': 'true',
        'manage_volume': 'true',
        'manage_snapshot': 'true',
        'volume_revert': 'true',
        'concurrency_tests': 'true',
    },
}
#: cinder-backup's os-brick looks in /etc/ceph, and is led to the keyring.
CINDER_CONF = """\
[cow]
rbd_cluster_name = ../..{folder}/ceph
[upstream]
rbd_cluster_name = ../..{folder}/ceph
"""
IMAGE_BYTES = 4 * 2**20
#: Of one run.
SECONDS = 1200
#: Tests wait for Cinder most of the time.
AT_ONCE = 4


#: Of one test: `{1} tempest.api...test_x[id-...] [1.0s] ... ok`
_LINE = re.compile(
    r'^\{\d+\} (.+?)(?: \[[\d.]+s\])? \.\.\. (ok|FAILED|SKIPPED)(?:: (.*))?$',
    re.M,
)
#: Why a test is skipped, without the name of its class.
_REASON = re.compile(r'^(?:\w+ skipped as |Skipped because )?(.+?)\.?$')


@dataclass(frozen=True, slots=True)
class Result:
    """Of one run."""

    passed: int
    #: How many, by the reason.
    skipped: Counter[str]
    #: The tests that did not pass.
    failed: frozenset[str]


def result(text: str) -> Result:
    """What Tempest has said.

    :raises Failed: when it has run no test.
    """
    found = _LINE.findall(text)
    if not found:
        raise Failed(f'Tempest has run no test:\n{text}')
    return Result(
        sum(status == 'ok' for _test, status, _why in found),
        Counter(
            _REASON.sub(r'\1', why)
            for _test, status, why in found
            if status == 'SKIPPED'
        ),
        frozenset(test for test, status, _why in found if status == 'FAILED'),
    )


def results() -> dict[str, Result]:
    """Of the run with each type as Cinder's default.

    :raises Failed: when Tempest cannot be installed or run.
    """
    folder = FOLDER / 'tempest'
    install(folder, *PACKAGES)
    return {name: _result(folder, name) for name in TYPES}


def _result(folder: pathlib.Path, volume_type: str) -> Result:
    os.environ['SANDBOX_DEFAULT_TYPE'] = volume_type
    with tempfile.TemporaryDirectory() as place:
        stack = Stack.up(pathlib.Path(place, 'sandbox'), Options(clusters=1))
        try:
            workspace = pathlib.Path(place, 'tempest')
            log = FOLDER / f'tempest-{volume_type}.log'
            _prepare_cloud(stack)
            _make_workspace(folder, workspace, stack)
            with stack.cinder_backup():
                return _run(folder, workspace, log)
        finally:
            stack.down()


def _prepare_cloud(stack: Stack) -> None:
    (cluster,) = stack.clusters
    stack.restart_cinder_volume(CINDER_CONF.format(folder=cluster.folder))
    _add_network_service(stack.env()['OS_AUTH_URL'])


def _add_network_service(keystone: str) -> None:
    """In the catalogue: Tempest asks it for what a project has left.

    Without Neutron it leaves out some tests that need no network. They make
    none, and 404 is the answer to what is left.
    """
    api = rest.Rest(keystone)
    made = api.post('identity', '/services', {'service': {'type': 'network'}})
    endpoint = {
        'service_id': made['service']['id'],
        'interface': 'public',
        'url': f'{keystone}/no-network',
        'region_id': rest.REGION,
    }
    api.post('identity', '/endpoints', {'endpoint': endpoint})


def _make_workspace(
    folder: pathlib.Path, workspace: pathlib.Path, stack: Stack
) -> None:
    env = stack.env()
    cloud = Cloud(env)
    first, second = (
        cloud.create_image(store, os.urandom(IMAGE_BYTES), store=store)
        for store in ('ceph', 'disk')
    )
    conf = configparser.RawConfigParser()
    conf.read_dict(SETTINGS)
    conf['identity']['uri_v3'] = env['OS_AUTH_URL']
    conf['compute'] = {'image_ref': first, 'image_ref_alt': second}
    conf['oslo_concurrency'] = {'lock_path': str(workspace)}
    tempest = folder / 'bin' / 'tempest'
    run(
        *(tempest, 'init', '--workspace-path', workspace / 'workspaces'),
        workspace,
        seconds=60,
    )
    with (workspace / 'etc' / 'tempest.conf').open('w') as file:
        conf.write(file)


def _run(
    folder: pathlib.Path, workspace: pathlib.Path, log: pathlib.Path
) -> Result:
    """:param log: what Tempest says of each test."""
    environment = {
        **os.environ,
        'PATH': f'{folder / "bin"}:{os.environ["PATH"]}',
        'PYTHONPATH': '',
    }
    command = ('tempest', 'run', '--concurrency', str(AT_ONCE))
    with (
        log.open('w') as file,
        subprocess.Popen(
            [*command, '--regex', TESTS, '--exclude-regex', LEFT_OUT],
            cwd=workspace,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            process_group=0,
        ) as running,
    ):
        try:
            running.wait(SECONDS)
        except subprocess.TimeoutExpired as exc:
            raise Failed(f'Tempest: no end after {SECONDS} s') from exc
        finally:
            # Its workers, too.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGTERM)
    return result(log.read_text())


def only_ours(found: dict[str, Result]) -> list[str]:
    """The tests that fail with our type, and not with upstream's."""
    return sorted(found['cow'].failed - found['upstream'].failed)


def write(found: dict[str, Result]) -> None:
    """As JSON, and into the page."""
    rows = [
        {
            'type': name,
            'passed': each.passed,
            'skipped': dict(sorted(each.skipped.items())),
            'failed': sorted(each.failed),
        }
        for name, each in found.items()
    ]
    report.write_part('tempest', rows, page_table(rows))


def page_table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The lines of the page."""
    if not rows:
        yield report.NOTHING
        return
    yield from report.header('volume type', 'passed', 'skipped', 'failed')
    for row in rows:
        skipped = str(sum(row['skipped'].values()))
        failed = str(len(row['failed']))
        yield from report.line(
            (row['type'], str(row['passed']), skipped, failed)
        )
    yield ''
    types = [row['type'] for row in rows]
    yield from report.header('skipped because', *types)
    for why in sorted({why for row in rows for why in row['skipped']}):
        times = (str(row['skipped'].get(why, 0)) for row in rows)
        yield from report.line((why, *times))

# SPDX-License-Identifier: Apache-2.0
"""Tempest's tests of volumes, with our volume type and with upstream's."""

from collections.abc import Iterator
import configparser
from dataclasses import dataclass
import os
import pathlib
import re
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
#: What is tested, as a regular expression.
TESTS = r'^(tempest\.api\.volume|cinder_tempest_plugin)\.'
#: There is neither Nova nor cinder-backup in the sandbox.
SETTINGS = {
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
        'neutron': 'false',
        'swift': 'false',
    },
    'identity': {'region': rest.REGION},
    'volume': {
        'storage_protocol': 'ceph',
        'backend_names': 'cow,upstream',
        'manage_snapshot_ref': 'source-name,snapshot-%s',
        'max_microversion': 'latest',
    },
    'volume-feature-enabled': {
        'backup': 'false',
        'multi_backend': 'true',
        'manage_volume': 'true',
        'manage_snapshot': 'true',
        'volume_revert': 'true',
        'concurrency_tests': 'true',
    },
}
IMAGE_BYTES = 4 * 2**20
SECONDS = 1800


#: Of one test: `{1} tempest.api...test_x[id-...] [1.0s] ... ok`
_LINE = re.compile(
    r'^\{\d+\} (.+?)(?: \[[\d.]+s\])? \.\.\. (ok|FAILED|SKIPPED)', re.M
)


@dataclass(frozen=True, slots=True)
class Result:
    """Of one run."""

    passed: int
    skipped: int
    #: The tests that did not pass.
    failed: frozenset[str]


def result(text: str) -> Result:
    """What Tempest has said.

    :raises Failed: when it has run no test.
    """
    found = _LINE.findall(text)
    if not found:
        raise Failed(f'Tempest has run no test:\n{text}')
    said = [status for _test, status in found]
    return Result(
        said.count('ok'),
        said.count('SKIPPED'),
        frozenset(test for test, status in found if status == 'FAILED'),
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
            _make_workspace(folder, workspace, stack)
            return _run(
                folder, workspace, FOLDER / f'tempest-{volume_type}.log'
            )
        finally:
            stack.down()


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
    with log.open('w') as file:
        subprocess.run(
            ['tempest', 'run', '--concurrency', '4', '--regex', TESTS],
            cwd=workspace,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
        )
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
            'skipped': each.skipped,
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
        yield from report.line(
            (
                row['type'],
                str(row['passed']),
                str(row['skipped']),
                str(len(row['failed'])),
            )
        )

# SPDX-License-Identifier: Apache-2.0
"""What is tried with each release."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
import functools
import os
import sys
import time

from compat.environment import Environment, Failed, run

#: Of one check. A check that hangs does not keep the others from running.
SECONDS = 600
LOAD_SECONDS = 120
CLOUD_SECONDS = 1200
#: Cinder runs with native threads then.
NATIVE = 'OS_CINDER_DISABLE_EVENTLET_PATCHING'
UPSTREAM_TESTS = ('tests/host/test_upstream.py',)
SERVICE_TESTS = ('tests/host/test_service.py',)
LIBRARY_TESTS = ('tests/unit/cli', 'tests/unit/sources/test_glance.py')
#: A clone, a streamed copy, a base, a sweep, a reimage.
CLOUD_TESTS = (
    'tests/e2e/test_clone.py::test_private_image_of_another_project',
    'tests/e2e/test_clone.py'
    '::test_volume_is_a_bootable_clone_and_goes_without_a_trace',
    'tests/e2e/test_stream.py::test_file_store_image_arrives_whole',
    'tests/e2e/test_bases.py::test_equal_images_in_all_stores_share_a_base',
    'tests/e2e/test_bases.py'
    '::test_base_outlives_neither_its_image_nor_its_volumes',
    'tests/e2e/test_reimage.py',
)
HOST_TESTS = (
    'tests/host',
    *(f'--ignore={each}' for each in (*UPSTREAM_TESTS, *SERVICE_TESTS)),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one check of one setup."""

    check: str
    #: None: it cannot be tried there.
    ok: bool | None
    #: How many tests passed, or why not.
    detail: str
    seconds: float = 0


def loads(environment: Environment) -> str:
    """The driver is the first import, as in cinder-volume; the command runs.

    :raises Failed: when they do not.
    """
    program = environment.python.with_name('cinder-cow')
    for command in (
        (environment.python, '-c', 'import cinder_cow.driver'),
        (program, 'base', 'list', '--help'),
    ):
        # Not in the repository: what is installed is what is to load.
        run(
            *command,
            seconds=LOAD_SECONDS,
            folder=environment.folder,
            variables={'PYTHONPATH': ''},
        )
    return 'yes'


def passes(*tests: str) -> Callable[[Environment], str]:
    """A check that these tests pass."""

    def check(environment: Environment) -> str:
        mode = {NATIVE: '1'} if environment.setup.native_threads else {}
        return _pytest(environment.python, tests, SECONDS, mode)

    return check


def in_the_cloud(environment: Environment) -> str:
    """Volumes are made through this Cinder's API, on a real Ceph.

    :raises Failed: when one of the tests does not pass.
    """
    # The tests and the other services are those of the sandbox.
    return _pytest(
        sys.executable,
        CLOUD_TESTS,
        CLOUD_SECONDS,
        {'SANDBOX_CINDER_PREFIX': str(environment.folder)},
    )


def _pytest(
    python: object,
    tests: Sequence[str],
    seconds: float,
    variables: Mapping[str, str],
) -> str:
    said = run(
        *(python, '-m', 'pytest', '-q', '-p', 'no:cacheprovider'),
        *('-W', 'ignore', *tests),
        seconds=seconds,
        variables=variables,
    )
    return said.splitlines()[-1].partition(' in ')[0]


CHECKS = {
    'import': loads,
    'names': passes(*UPSTREAM_TESTS),
    'service': passes(*SERVICE_TESTS),
    'libraries': passes(*LIBRARY_TESTS),
    'host': passes(*HOST_TESTS),
    'cloud': in_the_cloud,
}
#: They make volumes, by the bindings of Ceph.
NEEDS_BINDINGS = ('host', 'cloud')
#: What the short form does without.
LONG = ('cloud',)


def outcomes(
    environment: Environment, names: Sequence[str]
) -> Iterator[Outcome]:
    """Of the checks of these names, in turn."""
    for name in names:
        why_not = _cannot_be_tried(name, environment)
        if why_not:
            yield Outcome(name, None, why_not)
        else:
            yield outcome(name, functools.partial(CHECKS[name], environment))


def _cannot_be_tried(name: str, environment: Environment) -> str | None:
    if name in NEEDS_BINDINGS and not environment.has_bindings:
        return 'no bindings of Ceph for this Python'
    if name == 'cloud' and environment.setup.native_threads:
        return 'its tests restart cinder-volume in both modes'
    return None


def outcome(name: str, check: Callable[[], str]) -> Outcome:
    """Of one check."""
    began = time.monotonic()
    try:
        ok, detail = True, check()
    except Failed as exc:
        ok, detail = False, str(exc)
    return Outcome(name, ok, detail, time.monotonic() - began)


def at_once() -> int:
    """Setups that are tried at the same time."""
    return len(os.sched_getaffinity(0))

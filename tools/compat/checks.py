# SPDX-License-Identifier: Apache-2.0
"""What is tried with each release."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
import functools
import os
import re
import sys
import time

from compat.environment import Environment
from compat.releases import DEBIAN
from compat.running import Failed, run

#: Of one check. A check that hangs does not keep the others from running.
SECONDS = 600
LOAD_SECONDS = 120
CLOUD_SECONDS = 1200
#: Cinder runs with native threads then.
NATIVE = 'OS_CINDER_DISABLE_EVENTLET_PATCHING'
UPSTREAM_TESTS = ('tests/host/test_upstream.py',)
SERVICE_TESTS = ('tests/host/test_service.py',)
LIBRARY_TESTS = ('tests/unit/cli', 'tests/unit/sources/test_glance.py')
#: Those of them that make a backend, which needs the bindings of Ceph.
BINDINGS_TESTS = (
    'tests/host/test_every_option.py',
    'tests/host/test_image_info.py'
    '::test_parts_are_made_anew_when_cinder_has_failed_over',
    'tests/host/test_upstreams_tests.py',
)
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
    'tests/e2e/test_reimage_of_formats.py',
)
#: Of them, what Cinder downloads: that can hang in native threads (29.0).
CINDERS_DOWNLOAD = (
    'tests/e2e/test_reimage.py'
    '::test_without_bases_an_image_is_converted_by_cinder'
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
    for program, *arguments in (
        ('python', '-c', 'import cinder_cow.driver'),
        ('cinder-cow', 'base', 'list', '--help'),
    ):
        # Not in the repository: what is installed is what is to load.
        run(
            *(*environment.program(program), *arguments),
            seconds=LOAD_SECONDS,
            folder=environment.folder,
            variables={'PYTHONPATH': ''},
        )
    return 'yes'


def passes(*tests: str) -> Callable[[Environment], str]:
    """A check that these tests pass."""

    def check(environment: Environment) -> str:
        mode = {NATIVE: '1'} if environment.setup.native_threads else {}
        return run_tests(environment.program('python'), tests, SECONDS, mode)

    return check


def on_the_host(environment: Environment) -> str:
    """Cinder's own classes do with the driver what they should.

    :raises Failed: when one of the tests does not pass.
    """
    left_out: tuple[str, ...] = (*UPSTREAM_TESTS, *SERVICE_TESTS)
    if not environment.setup.has_bindings:
        left_out += BINDINGS_TESTS
    tests = ('tests/host', *_without(left_out))
    return passes(*tests)(environment)


def in_the_cloud(environment: Environment) -> str:
    """Volumes are made through this Cinder's API, on a real Ceph.

    :raises Failed: when one of the tests does not pass.
    """
    setup = environment.setup
    concurrency, other = 'eventlet', 'threading'
    if setup.native_threads:
        concurrency, other = other, concurrency
    left_out = (CINDERS_DOWNLOAD,) if setup.native_threads else ()
    # The tests and the other services are those of the sandbox.
    return run_tests(
        (sys.executable,),
        (*CLOUD_TESTS, *_without(left_out), '-k', f'not {other}'),
        CLOUD_SECONDS,
        {
            'SANDBOX_CINDER_PREFIX': str(environment.folder),
            'SANDBOX_CONCURRENCY': concurrency,
        },
    )


def _without(tests: Iterable[str]) -> Iterator[str]:
    return (f'--deselect={each}' for each in tests)


def run_tests(
    python: Sequence[object],
    tests: Iterable[str],
    seconds: float,
    variables: Mapping[str, str],
) -> str:
    """How many tests passed, as pytest says it.

    :param python: the command that runs a Python.

    :raises Failed: when one does not.
    """
    said = run(
        *(*python, '-m', 'pytest', '-q', '-p', 'no:cacheprovider'),
        *('-W', 'ignore', *tests),
        seconds=seconds,
        variables=variables,
    )
    counts = said.splitlines()[-1].partition(' in ')[0]
    # Those that another check runs, or that are named where they are left out.
    return re.sub(', [0-9]+ deselected', '', counts)


CHECKS = {
    'import': loads,
    'names': passes(*UPSTREAM_TESTS),
    'service': passes(*SERVICE_TESTS),
    'libraries': passes(*LIBRARY_TESTS),
    'host': on_the_host,
    'cloud': in_the_cloud,
}
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
    if name != 'cloud':
        return None
    if not environment.setup.has_bindings:
        return 'no bindings of Ceph for this Python'
    if environment.setup.debian != DEBIAN:
        return "the sandbox's other services are of this Debian"
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

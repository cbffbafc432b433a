# SPDX-License-Identifier: Apache-2.0
"""What is tried with each release."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import functools
import os
import time

from compat.environment import Environment, Failed, run

#: Of one check. A check that hangs does not keep the others from running.
SECONDS = 600
LOAD_SECONDS = 120
#: Cinder runs with native threads then.
NATIVE = 'OS_CINDER_DISABLE_EVENTLET_PATCHING'
UPSTREAM_TESTS = ('tests/host/test_upstream.py',)
SERVICE_TESTS = ('tests/host/test_service.py',)
LIBRARY_TESTS = ('tests/unit/cli', 'tests/unit/sources/test_glance.py')
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
        said = run(
            *(environment.python, '-m', 'pytest', '-q', '-p'),
            *('no:cacheprovider', '-W', 'ignore', *tests),
            seconds=SECONDS,
            variables=mode,
        )
        return said.splitlines()[-1].partition(' in ')[0]

    return check


CHECKS = {
    'import': loads,
    'names': passes(*UPSTREAM_TESTS),
    'service': passes(*SERVICE_TESTS),
    'libraries': passes(*LIBRARY_TESTS),
    'host': passes(*HOST_TESTS),
}
#: They make volumes, by the bindings of Ceph.
NEEDS_BINDINGS = ('host',)


def outcomes(environment: Environment) -> Iterator[Outcome]:
    """Of all checks, in turn."""
    for name, check in CHECKS.items():
        if name in NEEDS_BINDINGS and not environment.has_bindings:
            yield Outcome(name, None, 'no bindings of Ceph for this Python')
        else:
            yield outcome(name, functools.partial(check, environment))


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

# SPDX-License-Identifier: Apache-2.0
"""Pairs of an older or newer Ceph, as client and as cluster."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
import pathlib
from typing import Any

from compat import debian, report
from compat.checks import Outcome, outcome, run_tests
from compat.environment import Environment
from compat.releases import DEBIAN, DEBIAN_PYTHON, RELEASES, Setup

SECONDS = 1200
#: Of tests/ceph: qemu-img's part, lost machines, and two clusters at once take
#: most of the time, and are alike in all releases of Ceph.
LEFT_OUT = (
    *('building', 'command', 'eviction_races', 'failures', 'hostile_images'),
    *('lost_connection', 'lost_lease', 'mirroring', 'modes', 'room'),
)
TESTS = (
    'tests/ceph',
    *(f'--ignore=tests/ceph/test_{each}.py' for each in LEFT_OUT),
)
#: Of each Debian's packages.
VERSIONS = {12: '16.2', 13: '18.2'}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two Debians: where our code runs, and where the daemons are."""

    client: int
    cluster: int

    @property
    def name(self) -> str:
        """As the screen has it."""
        return (
            f'client {VERSIONS[self.client]}, cluster '
            + (VERSIONS[self.cluster])
        )

    @property
    def setup(self) -> Setup:
        """The newest Cinder, on the client's Python."""
        return Setup(
            max(RELEASES), DEBIAN_PYTHON[self.client], debian=self.client
        )


ALL = (Pair(12, 12), Pair(12, 13), Pair(13, 13), Pair(13, 12))


def tried(pair: Pair, wheel: pathlib.Path) -> Outcome:
    """What TESTS say of the pair, with clones of both formats."""

    def check() -> str:
        environment = Environment(pair.setup)
        environment.make(wheel)
        return run_tests(
            environment.program('python'), TESTS, SECONDS, _cluster(pair)
        )

    return outcome(pair.name, check)


def _cluster(pair: Pair) -> dict[str, str]:
    """The variable that says where the daemons are."""
    if pair.cluster == pair.client:
        return {}
    there = debian.HOST
    if pair.client == DEBIAN:
        there = str(debian.root(pair.cluster))
    return {'SANDBOX_CEPH_ROOT': there}


def write(found: Iterable[tuple[Pair, Outcome]]) -> None:
    """As JSON, and into the page."""
    rows = [
        {
            'client': VERSIONS[pair.client],
            'cluster': VERSIONS[pair.cluster],
            'python': DEBIAN_PYTHON[pair.client],
            'ok': each.ok,
            'detail': each.detail.splitlines()[-1],
        }
        for pair, each in found
    ]
    report.write_part('ceph', rows, page_table(rows))


def page_table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The lines of the page."""
    if not rows:
        yield report.NOTHING
        return
    yield from report.header('client', 'cluster', 'Python', 'tests')
    for row in rows:
        said = row['detail'] if row['ok'] else 'no'
        yield from report.line(
            (row['client'], row['cluster'], row['python'], said)
        )

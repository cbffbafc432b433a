# SPDX-License-Identifier: Apache-2.0
"""The releases of Cinder that are claimed, and on what each is tried."""

from dataclasses import dataclass
import pathlib

REPO = pathlib.Path(__file__).parents[2]
CONSTRAINTS = pathlib.Path(__file__).parent / 'constraints'
#: What OpenStack calls each.
RELEASES = {
    24: '2024.1',
    25: '2024.2',
    26: '2025.1',
    27: '2025.2',
    28: '2026.1',
    29: '2026.2',
}
#: The Python of each Debian: of its packages python3-rados and python3-rbd.
DEBIAN_PYTHON = {12: '3.11', 13: '3.13'}
#: The Debian that this runs on.
DEBIAN = 12
PYTHON = DEBIAN_PYTHON[DEBIAN]
#: Of the keystonemiddleware of 24 and 25, which imports pkg_resources; no
#: constraint of OpenStack names setuptools.
SETUPTOOLS = 'setuptools<81'


@dataclass(frozen=True, slots=True)
class Setup:
    """One release of Cinder, on one Python, in one concurrency mode."""

    release: int
    python: str = PYTHON
    native_threads: bool = False
    debian: int = DEBIAN

    @property
    def name(self) -> str:
        """As the command line has it: 29, 29-py3.13, 29-native."""
        if self.debian != DEBIAN:
            return f'{self.release}-debian{self.debian}'
        more = f'-py{self.python}' if self.python != PYTHON else ''
        return f'{self.release}{more}{"-native" * self.native_threads}'

    @property
    def has_bindings(self) -> bool:
        """Whether Ceph's bindings load: a Debian's are of its Python."""
        return self.python == DEBIAN_PYTHON[self.debian]

    @property
    def mode(self) -> str:
        return 'native threads' if self.native_threads else 'eventlet'

    @property
    def constraints(self) -> pathlib.Path:
        return CONSTRAINTS / f'{self.release}.txt'


#: Native threads came with 29.
ALL = (
    *(Setup(release) for release in RELEASES),
    Setup(29, native_threads=True),
    Setup(29, python='3.12'),
    Setup(29, python='3.13'),
    Setup(29, python='3.13', debian=13),
)
#: The oldest, the newest, and between them the first with a [glance] section.
SHORT = tuple(each for each in ALL if each.name in ('24', '27', '29'))

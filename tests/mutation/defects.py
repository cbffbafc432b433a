# SPDX-License-Identifier: Apache-2.0
"""The defects of defects.toml."""

from dataclasses import dataclass
import pathlib
import tomllib

TABLE = pathlib.Path(__file__).with_name('defects.toml')
PACKAGE = 'cinder_cow'
TESTS = 'tests'


@dataclass(frozen=True)
class Defect:
    """One change of the package, and what notices it."""

    title: str
    #: In the package.
    file: str
    old: str
    new: str
    #: In the folder of the tests; each of them has to fail.
    tests: list[str]


def defects() -> list[Defect]:
    """All of them, in the order of the file."""
    with open(TABLE, 'rb') as file:
        return [Defect(**each) for each in tomllib.load(file)['defect']]

# SPDX-License-Identifier: Apache-2.0
"""What ``tools/test.sh`` tests."""

import pathlib
import re
import subprocess

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / 'tools' / 'test.sh'


def folder(*arguments):
    """What its function of that name answers."""
    text = re.search(
        r'^folder\(\) \{\n.*?^\}\n', SCRIPT.read_text(), re.M | re.S
    )
    done = subprocess.run(
        ['bash', '-euc', f'{text[0]}folder "$@"', 'test.sh', *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    'arguments', [(), ('-k', 'protected'), ('-x', '--timeout=5')]
)
def test_folder_of_the_kind_is_tested(arguments):
    assert folder('ceph', *arguments) == ['tests/ceph']


@pytest.mark.parametrize(
    'arguments',
    [
        ('tests/unit/planning/test_plan.py',),
        ('-x', 'tests/unit/test_opts.py::test_sample_is_current'),
    ],
)
def test_path_takes_the_place_of_the_folder(arguments):
    assert folder('unit', *arguments) == []

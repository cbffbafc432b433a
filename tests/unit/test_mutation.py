# SPDX-License-Identifier: Apache-2.0
"""The table of ``python -m tests.mutation`` is about the code as it is."""

import ast
import pathlib

import pytest

from tests.mutation.defects import PACKAGE, TESTS, defects

ROOT = pathlib.Path(__file__).parents[2]

each_defect = pytest.mark.parametrize(
    'defect', defects(), ids=lambda defect: defect.title
)


@each_defect
def test_what_it_changes_stands_there_once(defect):
    text = (ROOT / PACKAGE / defect.file).read_text()

    assert text.count(defect.old) == 1
    changed = text.replace(defect.old, defect.new)
    assert changed != text
    ast.parse(changed)  # else every test would fail


@each_defect
def test_there_are_the_tests_that_notice_it(defect):
    assert defect.tests
    for test in defect.tests:
        file, _, name = test.partition('::')
        assert f'\ndef {name}(' in (ROOT / TESTS / file).read_text()


def test_no_title_is_there_twice():
    titles = [each.title for each in defects()]

    assert len(set(titles)) == len(titles)

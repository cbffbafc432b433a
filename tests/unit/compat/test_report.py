# SPDX-License-Identifier: Apache-2.0
"""The table in the documents is what the matrix has found."""

import json

import pytest

from compat import report
from compat.checks import CHECKS, Outcome
from compat.releases import ALL, RELEASES, SHORT, Setup

VERSIONS = {
    'cinder': '29.0.0',
    'oslo.utils': '10',
    'urllib3': '2',
    'cliff': '4',
}


def row(*outcomes):
    return report.Row(Setup(29), VERSIONS, outcomes)


def test_page_has_the_result_of_every_setup():
    found = json.loads(report.RESULT.read_text())
    page = report.PAGE.read_text()

    assert '\n'.join(report.page_table(found)) in page
    tried = {(each['release'], each['python'], each['mode']) for each in found}
    wanted = {(each.release, each.python, each.mode) for each in ALL}
    assert tried == wanted


def test_every_check_that_is_claimed_has_passed():
    for each in json.loads(report.RESULT.read_text()):
        for name, check in each['checks'].items():
            assert check['ok'] is not False, (each['release'], name)


@pytest.mark.parametrize(
    ('ok', 'detail', 'cell'),
    [
        (True, 'yes', 'yes'),
        (True, '18 passed', '18 passed'),
        (False, 'E\n1 failed, 17 passed', 'no'),
        (None, 'no bindings', '\N{EN DASH}'),
    ],
)
def test_outcome_is_one_cell(ok, detail, cell):
    found = [row(Outcome('cloud', ok, detail)).plain()]

    lines = list(report.page_table(found))

    assert lines.count(f'     - {cell}') >= 1
    assert lines[-3] == f'     - {cell}'


def test_row_with_a_failure_is_not_all_right():
    good, bad = Outcome('names', True, 'yes'), Outcome('host', False, 'why')
    untried = Outcome('host', None, 'no bindings')

    assert row(good, untried).ok
    assert not row(good, bad).ok


def test_what_was_not_tried_this_time_is_kept(tmp_path):
    path = tmp_path / 'result.json'
    names, host = Outcome('names', True, 'yes'), Outcome('host', True, 'old')
    other = report.Row(Setup(24), VERSIONS, (names,))

    report.write([row(names, host)], path)
    report.write([row(Outcome('host', True, 'new')), other], path)

    oldest, newest = json.loads(path.read_text())
    assert oldest['release'] == 24
    assert newest['checks']['names']['ok'] is True
    assert newest['checks']['host']['detail'] == 'new'


def test_columns_are_the_checks():
    assert ('install', *CHECKS) == report.COLUMNS


def test_every_release_has_its_constraints():
    assert {each.release for each in ALL} == set(RELEASES)
    for each in ALL:
        lines = each.constraints.read_text().splitlines()
        assert sum(line.startswith('oslo.utils===') for line in lines) == 1


def test_short_form_has_the_oldest_and_the_newest():
    releases = [each.release for each in SHORT]

    assert releases[0] == min(RELEASES)
    assert releases[-1] == max(RELEASES)
    assert len(releases) == 3

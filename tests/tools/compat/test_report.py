# SPDX-License-Identifier: Apache-2.0
"""The table in the documents is what the matrix has found."""

from collections import Counter
import json

import pytest

from compat import ceph, report, running, tempest
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
    keys = ('release', 'python', 'mode', 'debian')
    tried = {tuple(each[key] for key in keys) for each in found}
    assert tried == {tuple(getattr(each, key) for key in keys) for each in ALL}


@pytest.mark.parametrize(
    ('name', 'page_table'),
    [('ceph', ceph.page_table), ('tempest', tempest.page_table)],
)
def test_page_has_what_was_found(name, page_table):
    found = json.loads(report.part(name).read_text())

    table = '\n'.join(page_table(found))

    assert f'.. begin of {name}\n\n{table}\n\n.. end of {name}' in (
        report.PAGE.read_text()
    )


def test_no_failure_is_claimed_to_be_all_right():
    for each in json.loads(report.part('ceph').read_text()):
        assert each['ok'], each


def test_nothing_of_tempest_fails_with_our_type_alone():
    found = json.loads(report.part('tempest').read_text())
    ours, upstreams = found
    assert (ours['type'], upstreams['type']) == tempest.TYPES
    assert ours['passed'] >= upstreams['passed'] > 0
    assert set(ours['failed']) <= set(upstreams['failed'])
    assert ours['skipped'] == upstreams['skipped']


TEMPEST_SAID = """\
{0} setUpClass (tempest.api.volume.test_x.Sizes) ... SKIPPED: Sizes skipped as\
 Nova is not available
{0} tempest.api.volume.test_x.Servers.test_boot ... SKIPPED: Skipped because\
 the compute service is not available
{1} setUpClass (tempest.api.volume.test_x.Twice) ... SKIPPED: No multi-attach.
{1} tempest.api.volume.test_x.Volumes.test_get[id-1,smoke] [0.512s] ... ok
{1} tempest.api.volume.test_x.Volumes.test_list[id-2] [1.012s] ... FAILED
 - Passed: 1
"""


def test_what_tempest_says_of_each_test_is_counted():
    failed = 'tempest.api.volume.test_x.Volumes.test_list[id-2]'

    found = tempest.result(TEMPEST_SAID)

    skipped = {
        'Nova is not available': 1,
        'the compute service is not available': 1,
        'No multi-attach': 1,
    }
    assert found == tempest.Result(1, skipped, frozenset({failed}))
    assert tempest.only_ours({'cow': found, 'upstream': found}) == []


def test_failure_with_our_type_alone_is_named():
    ours = tempest.Result(1, Counter(), frozenset({'a', 'b'}))
    upstreams = tempest.Result(1, Counter(), frozenset({'b', 'c'}))

    assert tempest.only_ours({'cow': ours, 'upstream': upstreams}) == ['a']


def test_why_a_test_is_skipped_is_shown_for_each_type():
    rows = [
        {
            'type': 'cow',
            'passed': 8,
            'skipped': {'a': 2, 'b': 1},
            'failed': [],
        },
        {'type': 'upstream', 'passed': 9, 'skipped': {'a': 2}, 'failed': []},
    ]

    lines = list(tempest.page_table(rows))

    for row in (['cow', 8, 3, 0], ['upstream', 9, 2, 0], ['b', 1, 0]):
        shown = list(report.line(map(str, row)))
        assert '\n'.join(shown) in '\n'.join(lines)


def test_tempest_that_has_run_nothing_has_failed():
    with pytest.raises(running.Failed, match='no test'):
        tempest.result('No tests were selected')


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

    assert lines[-1] == f'     - {cell}'


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


def test_nothing_is_kept_of_what_cannot_be_installed(tmp_path):
    path = tmp_path / 'result.json'
    failed = Outcome('install', False, 'pip: a contradiction')

    report.write([row(Outcome('names', True, '18 passed'))], path)
    report.write([report.Row(Setup(29), {}, (failed,))], path)

    found = json.loads(path.read_text())
    assert found[0]['checks'].keys() == {'install'}
    page = '\n'.join(report.page_table(found))
    assert '   * - 29 (2026.2)\n' in page
    assert '     - no\n' in page


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

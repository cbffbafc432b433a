# SPDX-License-Identifier: Apache-2.0
"""The pure parts of the benchmarks: figures, log lines, the document."""

import json
import pathlib
import re

import pytest

from benchmarks import journal, keys, report, statistics

ROOT = pathlib.Path(__file__).parents[3]
FIRST = '5d8f0f6e-8a3c-4d0f-9c0a-6d9c3f0c1a01'
SECOND = '5d8f0f6e-8a3c-4d0f-9c0a-6d9c3f0c1a02'
FLOW = 'INFO cinder.volume.flows.manager.create_volume [None req-1 a b] '
LOG = f"""\
2026-01-02 10:00:00.500 7 {FLOW}Volume {FIRST}: being created as image with \
specification: {{'status': 'creating'}}
2026-01-02 10:00:01.000 7 {FLOW}Volume {SECOND}: being created as image with
2026-01-02 10:00:01.250 7 INFO cinder_cow.cinder_adapter.records [None r] \
volume from image: v=1 volume={FIRST} image=i method=clone reason=cloneable \
pool=i parent=i/j@snap seconds=0.050 bytes=0 source=- verification=shared
2026-01-02 10:00:01.500 7 {FLOW}Volume volume-{FIRST} ({FIRST}): created \
successfully
2026-01-02 10:00:03.000 7 {FLOW}Volume volume-{SECOND} ({SECOND}): created \
successfully
"""


def measured(key='clone_vs_upstream', ours=(2.0,), theirs=(8.0,), **notes):
    return statistics.compared(key, ours, theirs, **notes)


def outcome_of(*found):
    outcome = report.Outcome()
    outcome.add(found)
    outcome.close()
    return outcome


def test_each_measure_begins_a_round_in_its_turn():
    calls = []

    def measure(name):
        return lambda number: calls.append((number, name)) or len(calls)

    found = statistics.in_turns(3, a=measure('a'), b=measure('b'))

    assert calls == [
        (0, 'a'),
        (0, 'b'),
        (1, 'b'),
        (1, 'a'),
        (2, 'a'),
        (2, 'b'),
    ]
    assert found == {'a': [1, 4, 5], 'b': [2, 3, 6]}


def test_ratio_is_that_of_the_medians():
    found = measured(ours=(1.0, 2.0, 90.0), theirs=(4.0, 8.0, 9.0), volumes=3)

    assert found.value == 0.25
    assert found.absolute == {
        'ours': 2.0,
        'theirs': 8.0,
        'unit': 's',
        'rounds': 3,
        'volumes': 3,
    }


def test_spread_is_from_the_least_to_the_greatest_of_the_rounds():
    found = measured(ours=(1.0, 2.0, 90.0), theirs=(4.0, 8.0, 9.0))

    assert found.spread == {
        'ratio': (0.25, 10.0),
        'ours': (1.0, 90.0),
        'theirs': (4.0, 9.0),
    }


@pytest.mark.parametrize('empty', ['ours', 'theirs'])
def test_no_figure_comes_of_nothing(empty):
    with pytest.raises(ValueError, match='nothing was measured'):
        measured(**{empty: ()})


def test_every_key_is_in_the_document_whatever_was_measured():
    doc = report.document(outcome_of(), {})

    assert set(doc['ratios']) == set(keys.KEYS)
    assert set(doc['ratios'].values()) == {None}
    assert doc['failed'] == dict.fromkeys(keys.KEYS, 'it was not measured')


def test_document_is_json_with_the_figures_and_what_they_come_from():
    about = {'machine': {'cores': 2}, 'quick': True}

    doc = report.document(outcome_of(measured(ours=(1 / 3,))), about)

    assert json.loads(json.dumps(doc)) == doc
    assert doc['machine'] == {'cores': 2}
    assert doc['quick'] is True
    assert doc['ratios']['clone_vs_upstream'] == 0.0417
    assert doc['absolute']['clone_vs_upstream']['ours'] == 0.3333
    assert doc['spread']['clone_vs_upstream']['theirs'] == [8.0, 8.0]
    assert 'clone_vs_upstream' not in doc['failed']


def test_aim_is_met_up_to_its_very_value():
    outcome = outcome_of(
        measured('clone_vs_upstream', (0.40,), (1.0,)),
        measured('clone_vs_librbd', (1.2,), (1.0,)),
        measured('api_clone_vs_upstream', (9.0,), (1.0,)),
        statistics.Measured('temp_bytes', 0),
    )

    met = report.document(outcome, {})['met']

    assert met['clone_vs_upstream'] is True
    assert met['clone_vs_librbd'] is False
    assert met['api_clone_vs_upstream'] is None
    assert met['temp_bytes'] is True
    assert met['herd10_vs_upstream'] is False


def test_reason_of_a_failure_is_kept_and_hides_no_figure():
    outcome = report.Outcome()
    outcome.add([measured('clone_vs_upstream')])
    outcome.fail(['clone_vs_upstream', 'clone_vs_librbd'], 'no cluster')

    assert outcome.failed == {'clone_vs_librbd': 'no cluster'}


def test_what_is_no_key_is_not_taken():
    with pytest.raises(KeyError):
        report.Outcome().add([measured('clone_vs_upstreem')])


def test_table_has_a_line_for_each_key():
    outcome = outcome_of(
        measured(ours=(0.05, 0.07), theirs=(0.15, 0.25)),
        statistics.Measured('peak_memory_mib', 41.2),
        statistics.Measured('space_per_clone_bytes', 2**19),
    )

    lines = {
        line[0]: line[1:]
        for line in report.lines(report.document(outcome, {}))
    }

    assert list(lines) == list(keys.KEYS)
    assert lines['clone_vs_upstream'] == (
        '0.30',
        '<= 0.40',
        '0.060 s',
        '0.200 s',
        '0.28..0.33',
        'yes',
    )
    assert lines['peak_memory_mib'] == (
        '41 MiB',
        '<= 96 MiB',
        '-',
        '-',
        '-',
        'yes',
    )
    assert lines['space_per_clone_bytes'][0] == '512 KiB'
    assert lines['space_per_clone_bytes'][-1] == 'NO'
    assert lines['herd10_vs_upstream'][0] == 'FAILED'


def test_page_has_a_row_for_each_key():
    page = ROOT / 'doc' / 'source' / 'benchmarks.rst'
    keys_part = page.read_text().partition('\nFigures\n')[0]
    rows = re.findall(r'^   \* - (\w+)\n     - (\S+)', keys_part, re.M)

    aims = {
        name: 'report' if key.aim is None else str(key.aim)
        for name, key in keys.KEYS.items()
        if key.unit == keys.RATIO
    }
    told = {name: aim.rstrip('0') for name, aim in rows if name in aims}
    assert [name for name, _aim in rows if name != 'key'] == list(keys.KEYS)
    assert told == {name: aim.rstrip('0') for name, aim in aims.items()}


def test_log_tells_when_each_volume_was_begun_and_available():
    begun, ended = journal.begun(LOG), journal.ended(LOG)

    assert ended[FIRST] - begun[FIRST] == pytest.approx(1.0)
    assert ended[SECOND] - begun[SECOND] == pytest.approx(2.0)


def test_span_is_from_the_first_begin_to_the_last_end():
    assert journal.span(LOG, [FIRST, SECOND]) == pytest.approx(2.5)
    assert journal.span(LOG, [SECOND]) == pytest.approx(2.0)


def test_volume_that_has_not_ended_has_no_span():
    with pytest.raises(KeyError):
        journal.span(LOG.replace('created successfully', ''), [FIRST])


def test_log_tells_the_method_of_our_driver_alone():
    assert journal.methods(LOG) == {FIRST: 'clone'}

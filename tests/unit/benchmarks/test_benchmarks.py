# SPDX-License-Identifier: Apache-2.0
"""The pure parts of the benchmarks: figures, log lines, the document."""

import json
import pathlib
import random
import re

import pytest

from benchmarks import interval, journal, keys, machine, report, statistics
from benchmarks.statistics import Cost

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
    return statistics.compared(
        key,
        [Cost(each) for each in ours],
        [Cost(each) for each in theirs],
        **notes,
    )


def outcome_of(*found):
    outcome = report.Outcome()
    outcome.add(found)
    outcome.close(keys.KEYS)
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


def test_ratio_is_the_median_of_those_of_the_pairs():
    """The machine was slow in the second pair, for both."""
    found = measured(ours=(1.0, 20.0, 2.0), theirs=(4.0, 50.0, 1.0), volumes=3)

    assert found.value == 0.4
    assert found.absolute == {
        'ours': 2.0,
        'theirs': 4.0,
        'unit': 's',
        'pairs': 3,
        'outliers': [],
        'volumes': 3,
    }


def test_figures_that_are_no_pairs_are_refused():
    with pytest.raises(ValueError, match='shorter'):
        measured(ours=(1.0, 2.0), theirs=(4.0,))


def test_core_seconds_are_compared_in_pairs_too():
    found = statistics.compared(
        'stream_vs_upstream',
        [Cost(1.0, 2.0), Cost(1.0, 4.0), Cost(1.0, 6.0)],
        [Cost(2.0, 4.0), Cost(2.0, 4.0), Cost(2.0, 24.0)],
    ).absolute

    assert found['core_seconds_ours'] == 4.0
    assert found['core_seconds_theirs'] == 4.0
    assert found['core_ratio'] == 0.5


def test_where_the_cores_were_not_measured_nothing_is_said_of_them():
    pair = [Cost(1.0, 2.0)], [Cost(1.0)]

    assert (
        'core_ratio' not in statistics.compared('temp_bytes', *pair).absolute
    )


def test_interval_of_the_median_holds_what_is_likely():
    values = [0.30, 0.31, 0.29, 0.32, 0.30, 0.28, 0.31, 0.30, 0.90]

    low, high = interval.of_median(values)

    assert 0.28 <= low <= 0.30 <= high <= 0.32
    assert interval.of_median(values) == (low, high)


def test_interval_covers_the_true_median_about_as_often_as_it_says():
    chooser = random.Random(1)
    hits = 0
    for _ in range(100):
        values = [chooser.gauss(1.0, 0.2) for _ in range(15)]
        low, high = interval.of_median(values)
        hits += low <= 1.0 <= high

    assert hits >= 88


def test_few_pairs_have_no_interval():
    assert interval.of_median([0.1] * 4) is None
    assert interval.of_median([0.1] * 5) == (0.1, 0.1)


def test_pairs_far_from_the_others_are_told_and_count():
    ratios = (0.3, 0.31, 0.29, 0.3, 2.0)

    found = measured(ours=ratios, theirs=(1.0,) * 5)

    assert found.absolute['outliers'] == [2.0]
    assert found.spread['ratio'] == (0.29, 2.0)


def test_program_answers_costs_as_pairs():
    assert statistics.costs([[1.0, 2.0], [3.0, None]]) == [
        Cost(1.0, 2.0),
        Cost(3.0),
    ]
    assert Cost(4.0, 2.0).per(2) == Cost(2.0, 1.0)
    assert Cost(4.0).per(2) == Cost(2.0)


def test_load_of_the_machine_is_told():
    found = machine.Load().read()

    assert found['before'] >= 0
    assert 0 <= found['stolen_share'] <= 1


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


def test_aim_is_met_or_missed_where_the_interval_lies_on_one_side():
    ones = (1.0,) * 5
    outcome = outcome_of(
        measured('clone_vs_upstream', (0.40,) * 5, ones),
        measured('clone_vs_librbd', (1.2,) * 5, ones),
        measured('clone16_vs_upstream', (0.1, 0.1, 0.34, 0.5, 0.6), ones),
        measured('stream_vs_upstream', (0.1,), (1.0,)),
        measured('api_clone_vs_upstream', (9.0,) * 5, ones),
        statistics.Measured('temp_bytes', 0),
        statistics.Measured('peak_memory_mib', 97),
    )

    met = report.document(outcome, {})['met']

    assert met['clone_vs_upstream'] == 'yes'  # up to the aim's very value
    assert met['clone_vs_librbd'] == 'NO'
    assert met['clone16_vs_upstream'] == 'not decided'
    assert met['stream_vs_upstream'] == 'not decided'  # a single pair
    assert met['api_clone_vs_upstream'] is None
    assert met['temp_bytes'] == 'yes'
    assert met['peak_memory_mib'] == 'NO'
    assert met['herd10_vs_upstream'] == 'not measured'


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
        measured(ours=(0.06,) * 5, theirs=(0.20,) * 5),
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
        '0.30..0.30',
        '<= 0.40',
        'yes',
        '0.060 s',
        '0.200 s',
        '-',
    )
    assert lines['peak_memory_mib'][:4] == ('41 MiB', '-', '<= 96 MiB', 'yes')
    assert lines['space_per_clone_bytes'][0] == '512 KiB'
    assert lines['space_per_clone_bytes'][3] == 'NO'
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

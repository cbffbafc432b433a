# SPDX-License-Identifier: Apache-2.0
"""The dashboard, asked of a Prometheus that knows all our metrics."""

import itertools
import sys
import time

import matplotlib.image
import pytest

from dashboard import __main__ as program
from dashboard import panels, prometheus
from dashboard.drawing import (
    COLUMNS,
    DOTS_PER_INCH,
    INCHES_PER_COLUMN,
    KINDS,
    with_unit,
)
from dashboard.errors import DashboardError
from dashboard.served import output_of, served
from tests.fakes.exporter import BASE, Exporter
from tests.waiting import wait_until

PANELS = panels.load(program._DASHBOARD)


@pytest.fixture(scope='module')
def watching():
    """A Prometheus that has read the exporter some times."""
    with served(Exporter().text) as url, prometheus.started({url: 1}) as found:
        several = 'count_over_time(cinder_cow_pool_bases[1m]) > 3'
        wait_until(lambda: found.last(several), pause_seconds=0.1)
        yield found


@pytest.mark.parametrize('panel', PANELS, ids=lambda panel: panel.title)
def test_each_query_of_a_panel_has_an_answer(watching, panel):
    for target in panel.targets:
        found = watching.last(target.expr)
        assert found, target.expr
        for labels, _values in found:
            assert target.name(labels) or panel.kind == 'stat'


def test_course_of_a_panel_is_one_of_many_values(watching):
    (panel,) = (each for each in PANELS if each.title == 'Copied')
    now = time.time()

    found = panel.read(watching, now - 5, now)

    assert sorted(name for name, _series in found) == ['glance', 'rbd']
    for _name, (_labels, pairs) in found:
        assert len(pairs) > 1
        assert all(value > 2**20 for _moment, value in pairs)


def test_query_that_prometheus_does_not_know_is_an_error(watching):
    with pytest.raises(DashboardError, match=r'rate\(\): .*argument'):
        watching.last('rate()')


def test_panels_share_the_grid_without_overlap():
    taken = set()
    for panel in PANELS:
        x, y, width, height = panel.grid
        cells = set(
            itertools.product(range(x, x + width), range(y, y + height))
        )
        assert not cells & taken, panel.title
        assert x + width <= COLUMNS, panel.title
        assert panel.kind in KINDS
        taken |= cells
    assert len(taken) == COLUMNS * (max(y for _x, y in taken) + 1)


def test_picture_is_drawn_of_an_exporter_and_a_command(tmp_path, monkeypatch):
    picture = tmp_path / 'dashboard.png'
    numbers = tmp_path / 'numbers'
    numbers.write_bytes(Exporter('of a command').text())
    with served(Exporter().text) as url:
        arguments = ['--scrape', url, '--command', f'cat {numbers}']
        more = ['--seconds', '4', '--output', str(picture)]
        monkeypatch.setattr(sys, 'argv', ['dashboard', *arguments, *more])
        assert program.main() == 0

    _height, width, _colours = matplotlib.image.imread(picture).shape
    assert width == round(COLUMNS * INCHES_PER_COLUMN * DOTS_PER_INCH)


def test_command_that_fails_tells_nothing():
    assert output_of('echo cinder_cow_pool_bases 1; exit 1')() == b''


def test_label_of_a_series_is_filled_in():
    target = panels.Target('x', '{{method}}, median')

    assert target.name({'method': 'clone'}) == 'clone, median'
    assert panels.Target('x', '{{base}}').name({'base': BASE}) == BASE


@pytest.mark.parametrize(
    ('value', 'unit', 'text'),
    [
        (0.987, 'percentunit', '99%'),
        (1536, 'bytes', '1.5 KiB'),
        (0, 'bytes', '0 B'),
        (3 * 2**40, 'Bps', '3 TiB/s'),
        (0.0123, 's', '0.0123 s'),
        (12, 'short', '12'),
    ],
)
def test_values_have_their_unit(value, unit, text):
    assert with_unit(value, unit) == text

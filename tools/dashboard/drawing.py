# SPDX-License-Identifier: Apache-2.0
"""Panels as one PNG file, each where the grid of the dashboard has it."""

from collections.abc import Sequence
import math
import pathlib
from typing import Any

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot, ticker

from dashboard.panels import Panel
from dashboard.prometheus import Series

COLUMNS = 24
INCHES_PER_COLUMN, INCHES_PER_ROW = 0.66, 0.36
DOTS_PER_INCH = 80
#: Inside of a panel, in inches: left, bottom, right, top.
MARGINS = (0.75, 0.3, 0.2, 0.4)
#: Between panels, in inches.
GAP = 0.06
#: A base's name has some 150 characters.
NAME_CHARACTERS = 40
Named = list[tuple[str, Series]]


def draw(
    panels: Sequence[tuple[Panel, Named]],
    begin: float,
    end: float,
    path: pathlib.Path,
) -> None:
    """Write the picture.

    :param begin: what the courses begin with, in seconds since 1970.
    """
    rows = max(panel.grid[1] + panel.grid[3] for panel, _series in panels)
    size = (COLUMNS * INCHES_PER_COLUMN, rows * INCHES_PER_ROW)
    figure = pyplot.figure(figsize=size, facecolor='0.93')
    for panel, series in panels:
        axes = _framed(figure, panel, size)
        KINDS[panel.kind](axes, panel, _with_values(series))
        if panel.kind == 'timeseries':
            _time_axis(axes, begin, end)
    figure.savefig(path, dpi=DOTS_PER_INCH)
    pyplot.close(figure)


def _framed(figure: Any, panel: Panel, size: tuple[float, float]) -> Any:
    """The panel's axes, in a white box with its title."""
    column, row, columns, rows = panel.grid
    left = column * INCHES_PER_COLUMN
    bottom = size[1] - (row + rows) * INCHES_PER_ROW
    width, height = columns * INCHES_PER_COLUMN, rows * INCHES_PER_ROW
    box = figure.add_axes(
        (
            (left + GAP) / size[0],
            (bottom + GAP) / size[1],
            (width - 2 * GAP) / size[0],
            (height - 2 * GAP) / size[1],
        ),
        xticks=[],
        yticks=[],
    )
    box.spines[:].set_color('0.8')
    box.set_title(panel.title, fontsize=9, loc='left', x=0.01, y=1, pad=-12)
    return figure.add_axes(
        (
            (left + MARGINS[0]) / size[0],
            (bottom + MARGINS[1]) / size[1],
            (width - MARGINS[0] - MARGINS[2]) / size[0],
            (height - MARGINS[1] - MARGINS[3]) / size[1],
        )
    )


def _with_values(series: Named) -> Named:
    """Without those that are no number at any time, as medians of nothing."""
    return [
        (name, (labels, pairs))
        for name, (labels, pairs) in series
        if any(math.isfinite(value) for _moment, value in pairs)
    ]


def _time_axis(axes: Any, begin: float, end: float) -> None:
    def text(moment: float, _place: int) -> str:
        return f'{moment - begin:.0f} s'

    axes.set_xlim(begin, end)
    step = max(1, round((end - begin) / 6))
    axes.set_xticks([begin + step * number for number in range(7)][:6])
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(text))
    axes.tick_params(labelsize=7)


def _stat(axes: Any, panel: Panel, series: Named) -> None:
    axes.axis('off')
    text = 'No data'
    if series:
        _name, (_labels, pairs) = series[0]
        text = with_unit(pairs[-1][1], panel.unit)
    axes.text(0.4, 0.4, text, ha='center', va='center', fontsize=20)


def _bargauge(axes: Any, panel: Panel, series: Named) -> None:
    if not series:
        _no_data(axes)
        return
    series.sort(key=lambda each: each[1][1][-1][1])
    places = range(len(series))
    values = [pairs[-1][1] for _name, (_labels, pairs) in series]
    bars = axes.barh(places, values, color='tab:green', alpha=0.5)
    axes.bar_label(
        bars, [with_unit(value, panel.unit) for value in values], fontsize=7
    )
    axes.set_yticks([])
    whole = panel.unit == 'percentunit'
    axes.set_xlim(0, 1.15 * (1 if whole else max(*values, 1)))
    axes.set_ylim(min(-0.6, len(values) - 5.6), len(values) - 0.4)
    for place, (name, _series) in zip(places, series, strict=True):
        axes.text(0, place, f' {_short(name)}', va='center', fontsize=6)
    _unit_of(axes.xaxis, panel)


def _timeseries(axes: Any, panel: Panel, series: Named) -> None:
    if not series:
        _no_data(axes)
        return
    bottom: dict[float, float] = {}
    for name, (_labels, pairs) in series:
        times = [moment for moment, _value in pairs]
        values = [value for _moment, value in pairs]
        if panel.stacked:
            low = [bottom.get(moment, 0.0) for moment, _value in pairs]
            values = [a + b for a, b in zip(low, values, strict=True)]
            axes.fill_between(times, low, values, alpha=0.6, label=name)
            bottom |= dict(
                zip((moment for moment, _value in pairs), values, strict=True)
            )
        else:
            axes.plot(times, values, linewidth=1, label=name)
    # Room for the legend, and for a line of zeros.
    axes.set_ylim(0, 1.4 * max(axes.get_ylim()[1], 0.1))
    axes.yaxis.set_major_locator(ticker.MaxNLocator(5))
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=6, ncols=4, loc='upper left')
    _unit_of(axes.yaxis, panel)


KINDS = {'stat': _stat, 'bargauge': _bargauge, 'timeseries': _timeseries}


def _no_data(axes: Any) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    middle = axes.transAxes
    axes.text(0.5, 0.5, 'No data', ha='center', fontsize=8, transform=middle)


def _unit_of(axis: Any, panel: Panel) -> None:
    axis.set_major_formatter(
        ticker.FuncFormatter(
            lambda value, _place: with_unit(value, panel.unit)
        )
    )
    axis.set_tick_params(labelsize=7)


def _short(name: str) -> str:
    if len(name) <= NAME_CHARACTERS:
        return name
    return f'{name[: NAME_CHARACTERS - 3]}...'


def with_unit(value: float, unit: str) -> str:
    """As Grafana writes it."""
    match unit:
        case 'percentunit':
            return f'{100 * value:.0f}%'
        case 's':
            return f'{value:.3g} s'
        case 'bytes' | 'Bps':
            power = min(4, int(math.log(max(value, 1), 1024)))
            name = ('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]
            return f'{value / 1024**power:.3g} {name}' + '/s' * (unit == 'Bps')
    return f'{value:.3g}'

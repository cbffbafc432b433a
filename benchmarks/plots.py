# SPDX-License-Identifier: Apache-2.0
"""The figures as PNG files."""

from collections.abc import Callable, Sequence
import pathlib
from typing import Any

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot

from measuring.rows import DRIVERS

Document = dict[str, Any]
COLOURS = {'cow': 'tab:blue', 'upstream': 'tab:orange'}
INCHES = (7.0, 4.2)
DOTS_PER_INCH = 120
#: What a volume can be made of, and the key that has its seconds.
KINDS = {
    'raw in the\nsame cluster': 'api_clone_vs_upstream',
    'raw in a\nfile store': 'stream_vs_upstream',
    'qcow2, same\ncluster, first': 'qcow2_first_vs_upstream',
    'qcow2, file\nstore, first': 'qcow2_first_foreign_vs_upstream',
    'qcow2,\nsecond': 'qcow2_again_vs_upstream',
}


def draw(doc: Document, folder: pathlib.Path) -> list[pathlib.Path]:
    """The files that were written."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, plot in PLOTS.items():
        figure, axes = pyplot.subplots(figsize=INCHES, layout='constrained')
        plot(axes, doc)
        axes.grid(axis='y', alpha=0.3)
        axes.set_axisbelow(True)
        axes.legend(loc='upper left')
        path = folder / f'{name}.png'
        figure.savefig(path, dpi=DOTS_PER_INCH)
        pyplot.close(figure)
        paths.append(path)
    return paths


def _kinds(axes: Any, doc: Document) -> None:
    kinds = {
        title: doc['absolute'][key]
        for title, key in KINDS.items()
        if key in doc['absolute']
    }
    for side, (driver, whose) in enumerate(
        (('cow', 'ours'), ('upstream', 'theirs'))
    ):
        bars = axes.bar(
            [place + 0.4 * (side - 0.5) for place in range(len(kinds))],
            [found[whose] for found in kinds.values()],
            width=0.38,
            label=DRIVERS[driver],
            color=COLOURS[driver],
        )
        axes.bar_label(bars, fmt='%.1f', fontsize=8)
    axes.set_xticks(range(len(kinds)), list(kinds), fontsize=8)
    axes.set_ylabel('seconds from the API call to available')
    axes.set_title('A volume of an image of 1 GiB, half of it data')


def _rates(axes: Any, doc: Document) -> None:
    for driver, points in doc['series']['volumes_per_second'].items():
        _line(axes, driver, points)
    axes.set_xscale('log', base=2)
    axes.xaxis.set_major_formatter('{x:g}')
    axes.set_ylim(bottom=0)
    axes.set_xlabel('threads')
    axes.set_ylabel('clones per second')
    axes.set_title('Clones of one image in one process')


def _times(axes: Any, doc: Document) -> None:
    _by_size(axes, doc, 'seconds')
    axes.set_ylabel('seconds from the API call to available')
    axes.set_title('Raw images from a file store, half of them data')


def _memory(axes: Any, doc: Document) -> None:
    _by_size(axes, doc, 'memory_mib')
    axes.set_ylabel('growth of peak memory, MiB')
    axes.set_title('Memory of cinder-volume during one such volume')


PLOTS: dict[str, Callable[[Any, Document], None]] = {
    'time-by-kind': _kinds,
    'rate-by-threads': _rates,
    'time-by-size': _times,
    'memory-by-size': _memory,
}


def _by_size(axes: Any, doc: Document, what: str) -> None:
    found = doc['series']['image_size']
    for driver in DRIVERS:
        points = [(each['mib'] / 1024, each[driver][what]) for each in found]
        _line(axes, driver, points)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel('size of the image, GiB')


def _line(axes: Any, driver: str, points: Sequence[Sequence[float]]) -> None:
    across, up = zip(*points, strict=True)
    axes.plot(
        across, up, marker='o', label=DRIVERS[driver], color=COLOURS[driver]
    )

# SPDX-License-Identifier: Apache-2.0
"""Values that people read otherwise than programs do (-f json, -f value)."""

from collections.abc import Iterable
import datetime
import textwrap

from cliff import columns

from cinder_cow import errors

UNITS = ('B', 'KiB', 'MiB', 'GiB', 'TiB')
#: Of a text; what is longer is cut.
MOST_CHARACTERS = 4000
#: Of an id: enough to tell images apart, most often.
SHORT_ID = 8
SPANS = ((86400, 'd'), (3600, 'h'), (60, 'min'))


class Column(columns.FormattableColumn):  # type: ignore[type-arg]
    """Not FormattableColumn[int]: it takes a type from cliff 4.9 on only."""


class Bytes(Column):
    """A program reads the number."""

    def human_readable(self) -> str:
        value, unit = float(self._value), 0
        while value >= 1024 and unit < len(UNITS) - 1:
            value, unit = value / 1024, unit + 1
        return f'{value:.{1 if unit else 0}f} {UNITS[unit]}'


class Seconds(Column):
    """A span of time, in its largest unit. A program reads the seconds."""

    def human_readable(self) -> str:
        for length, unit in SPANS:
            if self._value >= length:
                return f'{self._value / length:.1f} {unit}'
        return f'{self._value} s'


class Words(Column):
    """A program reads a list."""

    def __init__(self, words: Iterable[str]) -> None:
        super().__init__(sorted(words))

    def human_readable(self) -> str:
        return '\n'.join(self._value)


class ImageIds(Words):
    """People see the beginning of one, and how many more there are."""

    def human_readable(self) -> str:
        first, *others = self._value or ['']
        more = f' +{len(others)}' if others else ''
        return f'{first[:SHORT_ID]}{more}'


class Short(Column):
    """People see a short form. A program reads the whole."""

    def __init__(self, whole: str, short: str | None = None) -> None:
        """:param short: None: the beginning, of an id."""
        super().__init__(whole)
        self._short = whole[:SHORT_ID] if short is None else short

    def human_readable(self) -> str:
        return self._short


class Wrapped(Column):
    """People see lines of that width. A program reads one."""

    def __init__(self, text: str, width: int) -> None:
        # It may be a tenant's: the name of an image, or what an error tells.
        super().__init__(errors.printable(text, MOST_CHARACTERS))
        self._width = width

    def human_readable(self) -> str:
        return '\n'.join(textwrap.wrap(self._value, self._width))


def moment(seconds: float) -> str:
    """Seconds since the epoch, in UTC, as ISO 8601 has it."""
    return datetime.datetime.fromtimestamp(
        round(seconds), datetime.UTC
    ).strftime('%Y-%m-%dT%H:%M:%SZ')

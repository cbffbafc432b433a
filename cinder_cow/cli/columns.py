# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Values that people read otherwise than programs do (-f json, -f value)."""

from collections.abc import Iterable
import datetime

from cliff import columns

UNITS = ('B', 'KiB', 'MiB', 'GiB', 'TiB')
SPANS = ((86400, 'd'), (3600, 'h'), (60, 'min'))


class Bytes(columns.FormattableColumn[int]):
    """A program reads the number."""

    def human_readable(self) -> str:
        value, unit = float(self._value), 0
        while value >= 1024 and unit < len(UNITS) - 1:
            value, unit = value / 1024, unit + 1
        return f'{value:.{1 if unit else 0}f} {UNITS[unit]}'


class Seconds(columns.FormattableColumn[int]):
    """A span of time, in its largest unit. A program reads the seconds."""

    def human_readable(self) -> str:
        for length, unit in SPANS:
            if self._value >= length:
                return f'{self._value / length:.1f} {unit}'
        return f'{self._value} s'


class Words(columns.FormattableColumn[list[str]]):
    """A program reads a list."""

    def __init__(self, words: Iterable[str]) -> None:
        super().__init__(sorted(words))

    def human_readable(self) -> str:
        return '\n'.join(self._value)


def moment(seconds: float) -> str:
    """Seconds since the epoch, in UTC, as ISO 8601 has it."""
    return datetime.datetime.fromtimestamp(
        round(seconds), datetime.UTC
    ).strftime('%Y-%m-%dT%H:%M:%SZ')

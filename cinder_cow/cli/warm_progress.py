# SPDX-License-Identifier: Apache-2.0
"""What is shown while bases are built: bars on a terminal, lines elsewhere."""

from collections.abc import Iterator
import contextlib
from typing import Protocol, TextIO

from rich import console, progress

from cinder_cow import copying

COPYING = 'copying'
#: Its bytes are here: what qemu-img still has to do cannot be told.
BUILDING = 'building'


class ImageProgress(Protocol):
    """One image while its base is built. Called in any thread."""

    def start(self) -> None:
        """Its build begins."""

    def report(self, copied: copying.Progress) -> None:
        """So much of it is copied."""


class WarmProgress(Protocol):
    """All images while their bases are built. Called in any thread."""

    def line(self, text: str) -> None:
        """Tell what became of one."""

    def image(
        self, image_id: str
    ) -> contextlib.AbstractContextManager[ImageProgress]:
        """One image, from its beginning to its end."""


@contextlib.contextmanager
def on(stream: TextIO) -> Iterator[WarmProgress]:
    """What suits that stream."""
    if not stream.isatty():
        yield _Lines(stream)
        return
    bars = progress.Progress(
        progress.TextColumn('{task.fields[image]} {task.description:10}'),
        progress.BarColumn(),
        progress.DownloadColumn(binary_units=True),
        progress.TimeElapsedColumn(),
        console=console.Console(file=stream),
        transient=True,
    )
    with bars:
        yield _Bars(bars)


class _Lines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def line(self, text: str) -> None:
        self._stream.write(f'{text}\n')
        self._stream.flush()

    @contextlib.contextmanager
    def image(self, image_id: str) -> Iterator['_Nothing']:
        yield _Nothing()


class _Nothing:
    def start(self) -> None:
        pass

    def report(self, copied: copying.Progress) -> None:
        pass


class _Bars:
    def __init__(self, bars: progress.Progress) -> None:
        self._bars = bars

    def line(self, text: str) -> None:
        self._bars.console.print(
            text, markup=False, highlight=False, soft_wrap=True
        )

    @contextlib.contextmanager
    def image(self, image_id: str) -> Iterator['_Bar']:
        task = self._bars.add_task(
            '', start=False, visible=False, total=None, image=image_id
        )
        try:
            yield _Bar(self._bars, task)
        finally:
            self._bars.remove_task(task)


class _Bar:
    def __init__(self, bars: progress.Progress, task: progress.TaskID) -> None:
        self._bars = bars
        self._task = task

    def start(self) -> None:
        self._bars.start_task(self._task)
        self._bars.update(self._task, visible=True, description=BUILDING)

    def report(self, copied: copying.Progress) -> None:
        is_done = copied.bytes_done == copied.size_bytes
        self._bars.update(
            self._task,
            description=BUILDING if is_done else COPYING,
            completed=copied.bytes_done,
            total=copied.size_bytes,
        )

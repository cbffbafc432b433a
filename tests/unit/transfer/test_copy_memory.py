# SPDX-License-Identifier: Apache-2.0
"""A copy holds no more than its settings say, however slow the writer."""

import queue
import threading
import time

from tests.fakes.backend import MemoryWriter
from tests.fakes.source import MemorySource
from tests.unit.sources import filling

MIB = 2**20
WHOLE = 8 * MIB
#: Longer than a source in memory takes to give all that it may.
SLOW_SECONDS = 0.05


class SlowWriter(MemoryWriter):
    """Ends what was started after a while, all of it at once."""

    def __init__(self, content):
        super().__init__(content)
        self.most_bytes = self._bytes = 0
        self._started = queue.Queue()
        self._thread = threading.Thread(target=self._end)
        self._thread.start()

    def start_write(self, offset, data, done):
        self._bytes += len(data)
        self.most_bytes = max(self.most_bytes, self._bytes)
        super().start_write(offset, data, lambda _error: None)
        self._started.put((len(data), done))

    def _end(self):
        started = self._started.get()
        while started is not None:
            time.sleep(SLOW_SECONDS)
            while started is not None:
                length, done = started
                self._bytes -= length
                done(None)
                try:
                    started = self._started.get_nowait()
                except queue.Empty:
                    started = self._started.get()
                    break

    def close(self):
        self._started.put(None)
        self._thread.join()


def test_bytes_in_flight_are_those_of_the_setting():
    backend = filling.RecordingBackend()
    writers = []

    def open_slowly(name, size_bytes):
        backend.volumes[name] = bytearray(size_bytes)
        writers.append(SlowWriter(backend.volumes[name]))
        return writers[0]

    backend.open = open_slowly
    image = filling.dataclasses.replace(filling.BARE, size_bytes=WHOLE)
    target = filling.dataclasses.replace(filling.TARGET, size_bytes=WHOLE)

    filling.fill(
        backend,
        MemorySource(b'D' * WHOLE, chunk_bytes=MIB // 4),
        image=image,
        target=target,
        memory_bytes=MIB,
    )

    assert backend.volumes == {filling.NAME: b'D' * WHOLE}
    assert MIB // 2 <= writers[0].most_bytes <= MIB

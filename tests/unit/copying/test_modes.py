# SPDX-License-Identifier: Apache-2.0
"""Under eventlet, in a process of its own: patching cannot be undone."""

import subprocess
import sys
import textwrap

import pytest

PATCH = 'import eventlet; eventlet.monkey_patch()\n'
SET_UP = """
    import hashlib, threading, time
    from cinder_cow import native
    from cinder_cow.copying import *

    real = native._original('threading')

    class SlowSink:
        # Waits as librbd does: in C, with nothing that eventlet could hook.
        pending, operations, content = 0, 0, {}

        def start_write(self, offset, data, done):
            native.sleep(0 if self.operations else 0.25)
            self.operations += 1
            self.pending += 1
            def end():
                native.sleep(0.1)
                self.content[offset] = data
                self.pending -= 1
                done(None)
            real.Thread(target=end).start()

        @native.in_thread
        def flush(self):
            native.sleep(0.25)

    class Source:
        size_bytes = 4 * 2**20

        @native.in_thread
        def extents(self):
            native.sleep(0.25)
            return [Extent(0, self.size_bytes, False)]

        @native.in_thread
        def read_at(self, offset, length):
            native.sleep(0.05)
            return b'x' * length

    terms = CopyTerms(
        block_bytes=2**20, memory_bytes=2**20, destination_is_zero=True
    )
    sink, digest, source = SlowSink(), hashlib.sha512(), Source()
    whole = hashlib.sha512(4 * 2**20 * b'x').digest()

    def chunks():
        for _ in range(4):
            time.sleep(0)
            yield b'x' * 2**20
"""
STREAM = 'copy_stream(chunks(), sink, terms, digests=[digest])'
EXTENTS = 'copy_extents(source, sink, terms, digests=[digest])'
TICKS = """
    ticks, longest = 0, {}

    def tick(sleep, kind):
        global ticks
        while ticks >= 0:
            before = time.monotonic()
            sleep(0.005)
            late = time.monotonic() - before
            longest[kind] = max(longest.get(kind, 0), late)
            ticks += kind == 'green'

    threading.Thread(target=tick, args=(time.sleep, 'green')).start()
    # How late everything is on a host that is busy.
    real.Thread(target=tick, args=(native.sleep, 'native')).start()
    COPY
    late = longest['green'] - longest['native']
    print(ticks > 20, late < 0.2, digest.digest() == whole)
    print(len(sink.content), sink.pending)
    ticks = -1000
"""
KILL = """
    import eventlet, greenlet
    raised = []

    def copy():
        try:
            COPY
        except BaseException as exc:
            raised.append(type(exc).__name__)
            raised.append(sink.pending)

    copying = eventlet.spawn(copy)
    while not sink.operations:
        eventlet.sleep(0.01)
    copying.kill()
    begun = sink.operations
    eventlet.sleep(0.2)
    left = [t.name for t in real.enumerate() if t.name.startswith('cow-')]
    print(*raised, left, sink.operations - begun)
"""


def output(*parts):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', ''.join(parts)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def code(text, copy=''):
    return textwrap.dedent(text).replace('COPY', copy)


@pytest.mark.parametrize('copy', [STREAM, EXTENTS])
def test_green_threads_go_on_while_a_copy_waits(copy):
    got = output(PATCH, code(SET_UP), code(TICKS, copy))

    assert got == ['True', 'True', 'True', '4', '0']


def test_killed_green_thread_leaves_the_sink_alone():
    got = output(PATCH, code(SET_UP), code(KILL, STREAM))

    assert got == ['GreenletExit', '0', '[]', '0']

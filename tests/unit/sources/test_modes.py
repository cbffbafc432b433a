# SPDX-License-Identifier: Apache-2.0
"""A download that is cancelled while Glance is silent, in both modes.

Each case is a process of its own: patching cannot be undone. It is cancelled
from a native thread, as by a lost lease.
"""

import subprocess
import sys
import textwrap

import pytest

PATCH = 'import eventlet; eventlet.monkey_patch()\n'
CODE = """
    import threading, time
    from cinder_cow import copying, errors, native
    from cinder_cow.model import ImageInfo, Stream, Target
    from cinder_cow.sources import glance
    from tests.fakes import request
    from tests.fakes.backend import MemoryBackend
    from tests.fakes.glance_server import Answer, GlanceServer

    cancellation, ticks, enough = copying.Cancellation(), [], []

    def tick():
        while not server.closing.is_set():
            ticks.append(1)
            time.sleep(0.01)

    def cancel():
        # Others go on while Glance is silent, however busy the host is.
        until = time.monotonic() + 20
        while not server.seen and time.monotonic() < until:
            native.sleep(0.01)
        enough.append(len(ticks) + 10)
        while len(ticks) < enough[0] and time.monotonic() < until:
            native.sleep(0.01)
        enough.append(time.monotonic())
        cancellation.cancel(errors.LeaseLost('cow-base-1', 'expired'))

    answer = Answer(stalls='WHERE', sends_bytes=200_000, length=300_000)
    backend = MemoryBackend()
    with GlanceServer(bytes(300_000), answer) as server:
        ticker = threading.Thread(target=tick)
        ticker.start()
        native.thread(cancel, 'lease').start()
        try:
            request.run(
                Stream(300_000, ()),
                ImageInfo('i-1', 'active', 'raw', 'bare', 300_000),
                Target('v-1', 'volume-v-1', 300_000),
                backend,
                sources=[
                    glance.GlanceSource(glance.GlanceSettings(stall_seconds=25))
                ],
                glance=server.access,
                cancellation=cancellation,
            )
        except errors.LeaseLost:
            soon = time.monotonic() - enough[1] < 4
            print('LeaseLost', soon, backend.volumes)
        print(len(ticks) >= enough[0], flush=True)
        server.closing.set()
"""


@pytest.mark.parametrize('patch', [PATCH, ''], ids=['eventlet', 'threads'])
@pytest.mark.parametrize('where', ['headers', 'body'])
def test_cancelled_download_ends_soon(patch, where):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c']
        + [patch + textwrap.dedent(CODE).replace('WHERE', where)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.split() == ['LeaseLost', 'True', '{}', 'True'], (
        done.stderr
    )

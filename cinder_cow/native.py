# SPDX-License-Identifier: Apache-2.0
"""Real threads and locks, under eventlet and without it.

Cinder runs in one of two modes: under eventlet, where a blocking call in the
main thread stops every request of the process, and with native threads. The
calls of librbd block. :func:`in_thread` runs them where they stop nobody.

This is the only file that knows eventlet.
"""

from collections.abc import Callable
import contextlib
import functools
import importlib
import os
import sys
from typing import Any, ParamSpec, TypeVar

P = ParamSpec('P')
R = TypeVar('R')

#: The identities of the threads that :func:`thread` made and that run now.
_OURS: set[int] = set()


def under_eventlet() -> bool:
    """Whether eventlet has replaced the threads of this process."""
    patcher = sys.modules.get('eventlet.patcher')
    return patcher is not None and bool(patcher.is_monkey_patched('thread'))


def _original(module: str) -> Any:
    """A module of the standard library as it was before eventlet."""
    if not under_eventlet():
        return importlib.import_module(module)
    from eventlet import patcher

    return patcher.original(module)


def lock() -> Any:
    """A mutex between native threads.

    Under eventlet a patched lock would only order green threads, and those
    that :func:`in_thread` runs are not green. Hold it for no I/O.
    """
    return _original('threading').Lock()


def condition() -> Any:
    """What native threads wait on. Wait in native threads alone.

    To notify is fine anywhere: it holds the lock for a moment only.
    """
    return _original('threading').Condition()


def event() -> Any:
    """A flag that native threads wait for. Setting it is fine anywhere."""
    return _original('threading').Event()


def queue() -> Any:
    """A queue without a bound, read by native threads and fed from anywhere.

    A green thread that reads a green queue is never woken by a native one.
    """
    return _original('queue').SimpleQueue()


def thread(target: Callable[[], None], name: str) -> Any:
    """A native thread, not yet started. It does not keep the process alive."""
    threading = _original('threading')

    def run() -> None:
        identity = threading.get_ident()
        _OURS.add(identity)
        try:
            target()
        finally:
            _OURS.discard(identity)

    return threading.Thread(target=run, name=name, daemon=True)


def _in_native_thread() -> bool:
    """Whether the caller may block as it likes."""
    return not under_eventlet() or _original('threading').get_ident() in _OURS


def sleep(seconds: float) -> None:
    """Stops this thread alone, even where eventlet has patched ``time``."""
    _original('time').sleep(seconds)


def shut_down(descriptor: int) -> None:
    """Ends the connection of a socket: whoever waits for it wakes up.

    From any thread; does not wait. The descriptor stays open.
    """
    socket = _original('socket')
    with (
        contextlib.suppress(OSError),  # it has ended already
        socket.socket(fileno=os.dup(descriptor)) as connection,
    ):
        connection.shutdown(socket.SHUT_RDWR)


def in_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a blocking function stop its caller only.

    Under eventlet it runs in one of the native threads of eventlet's pool
    (20 by default, shared with all of Cinder's own calls to Ceph), and other
    green threads go on. In native threads, those of :func:`thread` too, it is
    called as it is: the pool answers to green threads alone.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if _in_native_thread():
            return function(*args, **kwargs)
        from eventlet import tpool

        answer: R = tpool.execute(function, *args, **kwargs)
        return answer

    return call

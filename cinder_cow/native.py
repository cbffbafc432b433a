# SPDX-License-Identifier: Apache-2.0
"""Real threads and locks, under eventlet and without it.

Cinder runs in one of two modes: under eventlet, where a blocking call in the
main thread stops every request of the process, and with native threads. The
calls of librbd block. :func:`in_thread` runs them in a native thread.

Logging from a native thread is safe without eventlet. Under eventlet it is
where oslo.log was set up after eventlet had patched, as cinder-volume does:
its handlers have locks that hold native threads apart too. The handlers of
plain `logging` have green locks then, and the first two threads that log at
the same moment make the process hang. So nothing is logged in a native thread
that the caller's thread could log as well.

This is the only file that imports eventlet.
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

#: The identities of the running threads that :func:`thread` made.
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

    Under eventlet a patched lock only works between green threads, and those
    of :func:`in_thread` are not green. Do no I/O while it is held.
    """
    return _original('threading').Lock()


def condition() -> Any:
    """A condition variable. Wait for it in native threads only.

    Any thread may notify: it holds the lock for a moment only.
    """
    return _original('threading').Condition()


def event() -> Any:
    """A flag that native threads wait for. Any thread may set it."""
    return _original('threading').Event()


def queue() -> Any:
    """An unbounded queue. Native threads get from it, any thread may put.

    A green thread that waits at a green queue is not woken by a native one.
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
    """Whether the caller may block."""
    return not under_eventlet() or _original('threading').get_ident() in _OURS


def sleep(seconds: float) -> None:
    """Block this native thread, even where eventlet has patched ``time``."""
    _original('time').sleep(seconds)


def shut_down(descriptor: int) -> None:
    """End the connection of a socket, so that a thread that reads it wakes.

    From any thread; does not wait. The descriptor stays open.
    """
    socket = _original('socket')
    with (
        contextlib.suppress(OSError),  # it has ended already
        socket.socket(fileno=os.dup(descriptor)) as connection,
    ):
        connection.shutdown(socket.SHUT_RDWR)


def in_thread(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which blocks its caller only.

    Under eventlet it runs in one of the native threads of eventlet's pool
    (20 by default, shared with all of Cinder's own calls to Ceph), and other
    green threads go on. In a native thread, also of :func:`thread`, it is
    called directly: the pool can be used by green threads only.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if _in_native_thread():
            return function(*args, **kwargs)
        from eventlet import tpool

        answer: R = tpool.execute(function, *args, **kwargs)
        return answer

    return call

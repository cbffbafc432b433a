# SPDX-License-Identifier: Apache-2.0
"""The body of an HTTP answer, which must be whole and can be interrupted."""

from collections.abc import Callable, Iterator
import contextlib
import os
import re
import threading

import requests

from cinder_cow import native
from cinder_cow.closing import Closing

#: Seconds between two looks whether a request was interrupted.
LOOK_SECONDS = 0.25


class Interrupted(Exception):
    """The request was interrupted from another thread."""


class Incomplete(Exception):
    """The body ended before what its Content-Length promised."""

    def __init__(self, expected_bytes: int, got_bytes: int) -> None:
        super().__init__(
            f'it ended after {got_bytes} of {expected_bytes} bytes'
        )


class Body(Closing):
    """The body of one answer. Closes the answer."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response
        self._lock = native.lock()
        # Ours, as the response's own may be another connection's meanwhile.
        self._descriptor: int | None = None
        with contextlib.suppress(OSError, AttributeError):  # no body at all
            self._descriptor = os.dup(response.raw.fileno())

    def chunks(self, chunk_bytes: int) -> Iterator[bytes]:
        """The bytes as they were sent, in chunks of that size at most.

        :raises Incomplete: at the end.
        """
        expected_bytes = self._expected_bytes()
        got_bytes = 0
        # Not iter_content: it copies everything once more.
        for chunk in self._response.raw.stream(
            chunk_bytes, decode_content=False
        ):
            got_bytes += len(chunk)
            yield chunk
        # urllib3 looks itself from version 2 on only.
        if got_bytes < expected_bytes:
            raise Incomplete(expected_bytes, got_bytes)

    def _expected_bytes(self) -> int:
        """What the headers promise, 0 if nothing.

        A length beside a transfer encoding is void: RFC 9112, 6.3.
        """
        headers = self._response.headers
        if headers.get('Transfer-Encoding'):
            return 0
        found = re.fullmatch('[0-9]{1,18}', headers.get('Content-Length', ''))
        return int(found[0]) if found else 0

    def interrupt(self) -> None:
        """Break the connection. From any thread; does not wait."""
        with self._lock:
            if self._descriptor is not None:
                native.shut_down(self._descriptor)

    def close(self) -> None:
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = None
        self._response.close()


def answer(
    ask: Callable[[], requests.Response], interrupted: Callable[[], bool]
) -> requests.Response:
    """What ``ask`` returns, unless it is interrupted before.

    Nothing wakes a thread that waits for the headers of an answer. So it is
    another thread that waits, of the host's own kind (green under eventlet);
    it ends by its own time limit, and closes an answer that comes too late.

    :raises Interrupted: soon after ``interrupted`` says so.
    """
    request = _Request(ask)
    request.start()
    try:
        while not request.ended.wait(LOOK_SECONDS):
            if interrupted():
                raise Interrupted
    except BaseException:  # also when this green thread is killed
        request.abandon()
        raise
    return request.result()


class _Request(threading.Thread):
    """Sends one request, and keeps the answer until it is asked for."""

    def __init__(self, ask: Callable[[], requests.Response]) -> None:
        super().__init__(name='cow-request', daemon=True)
        self.ended = threading.Event()
        self._ask = ask
        self._lock = threading.Lock()
        self._abandoned = False
        self._response: requests.Response | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            response = self._ask()
        except BaseException as exc:  # noqa: BLE001  raised by result()
            self._error = exc
        else:
            with self._lock:
                self._response = response
                if self._abandoned:
                    response.close()
        finally:
            self.ended.set()

    def result(self) -> requests.Response:
        if self._error is not None:
            raise self._error
        assert self._response is not None
        return self._response

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            if self._response is not None:
                self._response.close()

# SPDX-License-Identifier: Apache-2.0
"""Answers scrapers, in threads of the host's own kind: green under eventlet.

``http.server`` itself would wait in a selector that it may have taken from the
standard library before eventlet replaced it, and has no limit of the time that
one request takes. So the socket is served here, with both limits, and the
library reads the request and writes the answer in memory only.
"""

import contextlib
import http.server
import io
import socket
import threading
import time

from oslo_log import log as logging
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    generate_latest,
)

LOG = logging.getLogger(__name__)

#: Answered at the same time; more wait in the kernel.
MOST_SCRAPES = 4
#: For all of a request and its answer. Prometheus itself waits for 10 s.
SCRAPE_SECONDS = 5.0
MOST_REQUEST_BYTES = 8192
#: After an error of the listener: it may be out of file descriptors.
PAUSE_SECONDS = 1.0
END_OF_HEAD = b'\r\n\r\n'


def serve(listener: socket.socket, registry: CollectorRegistry) -> None:
    """Begin to answer, until the listener is closed."""
    threading.Thread(
        target=_accept,
        args=(listener, registry),
        name='cinder-cow-metrics',
        daemon=True,
    ).start()


def _accept(listener: socket.socket, registry: CollectorRegistry) -> None:
    free = threading.Semaphore(MOST_SCRAPES)
    while listener.fileno() >= 0:
        free.acquire()
        try:
            connection, _address = listener.accept()
            threading.Thread(
                target=_answer, args=(connection, registry, free), daemon=True
            ).start()
        except (OSError, RuntimeError):  # no descriptor, or no thread, is left
            free.release()
            time.sleep(PAUSE_SECONDS)


def _answer(
    connection: socket.socket,
    registry: CollectorRegistry,
    free: threading.Semaphore,
) -> None:
    deadline = time.monotonic() + SCRAPE_SECONDS
    try:
        with connection, contextlib.suppress(OSError):  # too slow, or gone
            head = _head(connection, deadline)
            if END_OF_HEAD in head:
                _send(connection, _Scrape(head, registry).answer, deadline)
    except Exception:
        LOG.exception('Could not answer a scrape')
    finally:
        free.release()


def _head(connection: socket.socket, deadline: float) -> bytes:
    """The request, at least its head; less when it ends before, or is long."""
    head = b''
    while END_OF_HEAD not in head and len(head) < MOST_REQUEST_BYTES:
        connection.settimeout(_left(deadline))
        piece = connection.recv(MOST_REQUEST_BYTES - len(head))
        if not piece:
            break
        head += piece
    return head


def _send(connection: socket.socket, answer: bytes, deadline: float) -> None:
    # Not sendall(): under eventlet its time limit is of each piece.
    rest = memoryview(answer)
    while rest:
        connection.settimeout(_left(deadline))
        rest = rest[connection.send(rest) :]
    connection.shutdown(socket.SHUT_WR)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Scrape(http.server.BaseHTTPRequestHandler):
    """One request and its answer, both in memory."""

    def __init__(self, head: bytes, registry: CollectorRegistry) -> None:
        self._registry = registry
        super().__init__(head, None, None)

    @property
    def answer(self) -> bytes:
        """The whole of it."""
        return self.wfile.getvalue()

    def setup(self) -> None:
        self.rfile = io.BytesIO(self.request)
        self.wfile = io.BytesIO()

    def finish(self) -> None:
        """Nothing is to be closed."""

    def do_GET(self) -> None:  # noqa: N802  the library's name
        # Neither packed nor in another format: little work, and nothing of
        # the request counts.
        metrics = generate_latest(self._registry)
        self.send_response(http.HTTPStatus.OK)
        self.send_header('Content-Type', CONTENT_TYPE_LATEST)
        self.send_header('Content-Length', str(len(metrics)))
        self.end_headers()
        self.wfile.write(metrics)

    def log_message(self, *_args: object) -> None:
        """Of scrapers nothing is logged."""

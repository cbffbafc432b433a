# SPDX-License-Identifier: Apache-2.0
"""Stands between cinder-volume and Glance, and answers badly when told to."""

from collections.abc import Iterator
import contextlib
import enum
import http.client
import http.server
import threading
import time
import urllib.parse

PIECE_BYTES = 256 * 2**10
#: Slower than a copy may be: cow_min_copy_bytes_per_second is 1 MiB.
SLOW_PAUSE_SECONDS = 0.5
#: What HTTP/1.1 says of one connection, and not of the answer.
_HOP_BY_HOP = ('connection', 'keep-alive', 'transfer-encoding')


class Manner(enum.Enum):
    """How Glance is passed on."""

    HONEST = 'honest'
    SLOW = 'slow'
    TRUNCATED = 'truncated'
    CORRUPT = 'corrupt'
    NOT_FOUND = '404'
    CONFLICT = '409'
    INTERNAL_ERROR = '500'
    UNAVAILABLE = '503'

    @property
    def status(self) -> int | None:
        """Of an answer that Glance never gave."""
        return int(self.value) if self.value.isdigit() else None


class GlanceProxy:
    """A context manager; :attr:`manner` may be changed at any time."""

    def __init__(self, glance: str) -> None:
        """:param glance: its URL."""
        self.glance = urllib.parse.urlsplit(glance).netloc
        self.manner = Manner.HONEST
        self._server = _Server(('127.0.0.1', 0), _Handler)
        self._server.proxy = self
        self.url = f'http://127.0.0.1:{self._server.server_port}'

    def __enter__(self) -> 'GlanceProxy':
        threading.Thread(
            target=self._server.serve_forever, daemon=True
        ).start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    proxy: GlanceProxy
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        manner = self.server.proxy.manner
        if manner.status is not None:
            self.send_error(manner.status, explain='injected')
            return
        is_data = self.path.partition('?')[0].endswith('/file')
        self._pass_on(manner if is_data else Manner.HONEST)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_arguments: object) -> None:
        """Nothing: Glance itself logs."""

    def _pass_on(self, manner: Manner) -> None:
        asked = http.client.HTTPConnection(
            self.server.proxy.glance, timeout=300
        )
        with contextlib.closing(asked):
            length = int(self.headers.get('Content-Length', 0))
            asked.request(
                self.command,
                self.path,
                self.rfile.read(length) if length else None,
                dict(self.headers.items()),
            )
            answer = asked.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header('Connection', 'close')
            self.end_headers()
            for piece in _changed(_pieces(answer), manner):
                # It may be over before the answer is.
                if self.server.proxy.manner is Manner.SLOW:
                    time.sleep(SLOW_PAUSE_SECONDS)
                self.wfile.write(piece)
        self.close_connection = True


def _pieces(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while piece := answer.read(PIECE_BYTES):
        yield piece


def _changed(pieces: Iterator[bytes], manner: Manner) -> Iterator[bytes]:
    """The first piece comes whole."""
    for number, piece in enumerate(pieces):
        match manner:
            case Manner.TRUNCATED if number:
                return
            case Manner.CORRUPT if number:
                piece = bytes([piece[0] ^ 1]) + piece[1:]
        yield piece

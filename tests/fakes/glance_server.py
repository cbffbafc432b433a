# SPDX-License-Identifier: Apache-2.0
"""A Glance on a local port with faults that a test chooses."""

from dataclasses import dataclass
import gzip
from http import server
import socket
import socketserver
import struct
import threading
import time

import glanceclient
from keystoneauth1 import session as keystone
from keystoneauth1 import token_endpoint
import requests

TOKEN = 'token-of-the-user'
#: How long a stalled answer is silent, unless the server is closed first.
STALL_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is said to one request. Each field alone is one fault."""

    status: int = 200
    #: Whether `Range` is heeded, and whether it is refused.
    ranges: bool = False
    refuses_ranges: bool = False
    #: The answer to a range begins so much behind what was asked for.
    skips_bytes: int = 0
    #: The content is replaced by this.
    content: bytes | None = None
    #: The body ends after so many bytes, and the connection with it.
    sends_bytes: int | None = None
    #: It is not closed but reset.
    resets: bool = False
    #: What Content-Length says; -1: there is none, as in HTTP/1.0.
    length: int | None = None
    chunked: bool = False
    #: Silence, before the headers or after ``sends_bytes``.
    stalls: str | None = None
    #: Before each of ten parts of the body.
    pause_seconds: float = 0
    #: Compressed, where the client says that it takes that.
    compresses: bool = False


def breaks(after_bytes, **more):
    return Answer(ranges=True, sends_bytes=after_bytes, **more)


@dataclass(frozen=True)
class Seen:
    """A request."""

    path: str
    range: str | None
    token: str | None


def client_of(port, session):
    """A client of Glance on that port."""
    url = f'http://127.0.0.1:{port}'
    auth = token_endpoint.Token(url, TOKEN)
    return glanceclient.Client(
        '2', url, session=keystone.Session(auth, session=session)
    )


class GlanceServer(server.ThreadingHTTPServer):
    """A context manager. ``answers`` are given in turn, the last for ever."""

    def __init__(self, content, *answers):
        super().__init__(('127.0.0.1', 0), _Request)
        self.content = content
        self.answers = list(answers)
        self.seen = []
        #: Those that clients of :meth:`access` were given.
        self.responses = []
        self.closing = threading.Event()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.01,)
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    @property
    def ranges(self):
        return [each.range for each in self.seen]

    def access(self):
        """A client as Cinder makes it."""
        made = requests.Session()
        made.hooks['response'].append(self._keep)
        return client_of(self.server_port, made)

    def next_answer(self):
        return self.answers.pop(0) if self.answers[1:] else self.answers[0]

    def handle_error(self, request, client_address):
        """A client that hangs up is no news here."""

    def _keep(self, response, **_more):
        self.responses.append(response)


class _Request(server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        asked = self.headers.get('Range')
        self.server.seen.append(
            Seen(self.path, asked, self.headers.get('X-Auth-Token'))
        )
        answer = self.server.next_answer()
        if answer.stalls == 'headers':
            self.server.closing.wait(STALL_SECONDS)
        if answer.status != 200:
            self._refuse(answer.status)
        elif asked and answer.refuses_ranges:
            self._refuse(400)
        else:
            self._send(answer, asked if answer.ranges else None)

    def _refuse(self, status):
        body = b'' if status == 204 else b'<html>no</html>'
        self.send_response(status)
        self.send_header('Content-Type', 'text/html; charset=UTF-8')
        if body:
            self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send(self, answer, asked):
        whole = answer.content or self.server.content
        start = 0
        if asked:
            start = int(asked[len('bytes=') : -1]) + answer.skips_bytes
        body = whole[start:]
        self.send_response(206 if asked else 200)
        self.send_header('Content-Type', 'application/octet-stream')
        if asked:
            place = f'bytes {start}-{len(whole) - 1}/{len(whole)}'
            self.send_header('Content-Range', place)
        offered = self.headers.get('Accept-Encoding', '')
        if answer.compresses and 'gzip' in offered:
            body = gzip.compress(body, compresslevel=1)
            self.send_header('Content-Encoding', 'gzip')
        self._say_length(answer, body)
        self.end_headers()
        self._send_body(answer, body)

    def _say_length(self, answer, body):
        if answer.chunked:
            self.send_header('Transfer-Encoding', 'chunked')
        elif answer.length == -1:
            self.close_connection = True
        else:
            length = len(body) if answer.length is None else answer.length
            self.send_header('Content-Length', str(length))

    def _send_body(self, answer, body):
        sent = body[: answer.sends_bytes]
        step = max(1, -(-len(sent) // 10))
        for start in range(0, len(sent), step):
            time.sleep(answer.pause_seconds)
            part = sent[start : start + step]
            if answer.chunked:
                part = b'%x\r\n%b\r\n' % (len(part), part)
            self.wfile.write(part)
        self.wfile.flush()
        if answer.stalls == 'body':
            self.server.closing.wait(STALL_SECONDS)
        if answer.sends_bytes is not None or answer.length is not None:
            self._hang_up(answer)
        elif answer.chunked:
            self.wfile.write(b'0\r\n\r\n')

    def _hang_up(self, answer):
        self.close_connection = True
        if answer.resets:
            time.sleep(0.05)  # what was sent is there before
            linger = struct.pack('ii', 1, 0)
            self.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, linger
            )
            self.connection.close()

    def log_message(self, *_args):
        pass


class RawServer(socketserver.ThreadingTCPServer):
    """Sends the same bytes to each request and hangs up. A context manager."""

    daemon_threads = True

    def __init__(self, raw):
        super().__init__(('127.0.0.1', 0), _RawRequest)
        self.raw = raw
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.01,)
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self.shutdown()
        self._thread.join()
        self.server_close()

    def access(self):
        """A client as Cinder makes it."""
        return client_of(self.server_address[1], requests.Session())

    def handle_error(self, request, client_address):
        """A client that hangs up is no news here."""


class _RawRequest(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.readline().strip():
            pass
        self.wfile.write(self.server.raw)

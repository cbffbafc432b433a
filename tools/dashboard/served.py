# SPDX-License-Identifier: Apache-2.0
"""The output of a command as an exporter, in the place of node_exporter."""

from collections.abc import Callable, Iterator
import contextlib
import http.server
import subprocess
import threading


@contextlib.contextmanager
def served(text: Callable[[], bytes]) -> Iterator[str]:
    """The URL where each GET calls that. On loopback, at a free port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802  http.server's name
            body = text()
            self.send_response(200)
            self.send_header('Content-Type', 'text/plain; version=0.0.4')
            self.send_header('Content-Length', str(len(body)))
            # Who does not wait for a slow command has gone.
            with contextlib.suppress(ConnectionError):
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f'http://127.0.0.1:{server.server_port}/metrics'
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def output_of(command: str) -> Callable[[], bytes]:
    """What the command prints; nothing where it fails."""

    def text() -> bytes:
        done = subprocess.run(command, shell=True, stdout=subprocess.PIPE)
        return done.stdout if done.returncode == 0 else b''

    return text

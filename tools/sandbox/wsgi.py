# SPDX-License-Identifier: Apache-2.0

"""WSGI applications under uwsgi."""

import pathlib
import sys

from sandbox import ports, process

THREADS = 8
# Of one chunk of an upload. uwsgi's default of 1 MiB refuses glanceclient's.
CHUNK_LIMIT_BYTES = 32 << 20
# Of uwsgi's HTTP front, which copies all: its default of a page makes a
# download three times slower than Glance is.
HTTP_BUFFER_BYTES = 32 << 10


def start(
    processes: process.Processes,
    name: str,
    port: int,
    module: str,
    env: dict[str, str],
    workers: int,
) -> None:
    """Return when the port takes connections.

    Connections are not kept: uwsgi ends one after an answer without a body,
    which the client's next request would then meet.
    """
    processes.start(
        name,
        [
            pathlib.Path(sys.prefix) / 'bin' / 'uwsgi',
            f'--http=127.0.0.1:{port}',
            '--http-chunked-input',
            f'--chunked-input-limit={CHUNK_LIMIT_BYTES}',
            '--chunked-input-timeout=60',
            '--http-timeout=600',
            f'--http-buffer-size={HTTP_BUFFER_BYTES}',
            '--add-header=Connection: close',
            f'--module={module}',
            f'--venv={sys.prefix}',
            '--master',
            '--die-on-term',
            '--worker-reload-mercy=2',
            '--lazy-apps',
            '--need-app',
            f'--processes={workers}',
            f'--threads={THREADS}',
            '--enable-threads',
            '--disable-logging',
        ],
        env,
    )
    processes.wait(name, lambda: ports.answers(port))

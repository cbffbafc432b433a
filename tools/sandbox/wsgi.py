# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""WSGI applications under uwsgi."""

import pathlib
import sys

from sandbox import ports
from sandbox import process

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

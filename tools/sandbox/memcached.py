# SPDX-License-Identifier: Apache-2.0

"""Memcached, which keeps Keystone's tokens."""

import os

from sandbox import ports, process

NAME = 'memcached'


def start(processes: process.Processes, port: int) -> None:
    """Return when it takes connections."""
    as_user = ['-u', 'root'] if os.geteuid() == 0 else []
    processes.start(
        NAME,
        ['memcached', *as_user, '-l', '127.0.0.1', '-U', '0', '-p', str(port)],
    )
    processes.wait(NAME, lambda: ports.answers(port))

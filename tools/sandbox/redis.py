# SPDX-License-Identifier: Apache-2.0

"""Redis, by which two hosts of cinder-volume agree."""

from sandbox import ports, process

NAME = 'redis'


def start(processes: process.Processes, port: int) -> None:
    """Return when it takes connections. It keeps nothing."""
    processes.start(
        NAME,
        [
            'redis-server',
            '--bind',
            '127.0.0.1',
            '--port',
            str(port),
            '--save',
            '',
            '--appendonly',
            'no',
        ],
    )
    processes.wait(NAME, lambda: ports.answers(port))

# SPDX-License-Identifier: Apache-2.0

"""Free loopback ports."""

import random
import socket
import types
from typing import Self

# Below the range that Linux gives to outgoing connections (32768 and up): a
# port from that range may be taken before its service binds it.
LOWEST, HIGHEST = 20000, 32767


class Ports:
    """A context manager that hands out ports and holds them until its end.

    A held port is bound but not listening and may be reused, which lets a
    service bind it and keeps another sandbox, that starts at the same time,
    from choosing it.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        for held in self._held:
            held.close()

    def take(self) -> int:
        """A port that nobody uses."""
        for port in random.sample(range(LOWEST, HIGHEST), 1000):
            if self._hold(port):
                return port
        raise OSError(f'no free port between {LOWEST} and {HIGHEST}')

    def _hold(self, port: int) -> bool:
        held = socket.socket()
        try:
            held.bind(('127.0.0.1', port))
        except OSError:
            held.close()
            return False
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.append(held)
        return True


def answers(port: int) -> bool:
    """Whether something on loopback accepts connections to the port."""
    try:
        socket.create_connection(('127.0.0.1', port), timeout=1).close()
    except OSError:
        return False
    return True

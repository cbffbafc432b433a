# SPDX-License-Identifier: Apache-2.0
"""Ceph stands still, refuses, or is full."""

import os
import signal
import time

from chaos.faults.fault import Fault, NoTarget

STRUCK_SECONDS = 20.0
WAITS = frozenset(
    {'storage unreachable', 'lease lost', 'source', 'busy', 'no host'}
)
FULL = frozenset({'storage full', 'busy', 'source', *WAITS})
CLIENT = 'client.cinder'


class _Paused(Fault):
    """A daemon that stands still."""

    daemon = ''
    hold_seconds = 25.0
    causes = WAITS

    def inject(self) -> None:
        os.kill(
            self.testbed.stack.clusters[0].pid(self.daemon), signal.SIGSTOP
        )

    def undo(self) -> None:
        os.kill(
            self.testbed.stack.clusters[0].pid(self.daemon), signal.SIGCONT
        )


class PauseOsd(_Paused):
    name = 'OSD paused'
    daemon = 'osd'

    def undo(self) -> None:
        """As the monitors of a cluster with more OSDs would, mark it down.

        Else some PGs stay `laggy` for ever: no other OSD renews the read lease
        that has expired meanwhile. Seen with 16.2.15.
        """
        super().undo()
        self.testbed.stack.clusters[0].ceph('osd', 'down', '0')


class PauseMon(_Paused):
    name = 'mon paused'
    daemon = 'mon'


class _Restarted(Fault):
    """A daemon that is killed and started again."""

    daemon = ''
    hold_seconds = 0.0
    causes = WAITS

    def inject(self) -> None:
        self.testbed.stack.clusters[0].restart(self.daemon)


class RestartOsd(_Restarted):
    name = 'OSD restarted'
    daemon = 'osd'


class RestartMon(_Restarted):
    name = 'mon restarted'
    daemon = 'mon'


class _Commands(Fault):
    """What an administrator's commands do and undo."""

    done: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    hold_seconds = 15.0

    def inject(self) -> None:
        for command in self.done:
            self.testbed.stack.clusters[0].ceph(*command.split())

    def undo(self) -> None:
        for command in self.undone:
            self.testbed.stack.clusters[0].ceph(*command.split())


class OsdOut(_Commands):
    """The only OSD is marked down and out, and comes in again."""

    name = 'OSD down, out, in'
    done = ('osd out 0', 'osd down 0')
    undone = ('osd in 0',)
    causes = WAITS


class FullOsd(_Commands):
    name = 'OSD full'
    done = ('osd set-full-ratio 0.001',)
    undone = ('osd set-full-ratio 0.95',)
    causes = FULL


class FullPool(_Commands):
    name = 'pool quota reached'
    done = ('osd pool set-quota volumes max_bytes 4096',)
    undone = ('osd pool set-quota volumes max_bytes 0',)
    causes = FULL


class SocketFailures(_Commands):
    """One message of two hundred breaks its connection."""

    name = 'sockets fail'
    done = ('config set osd ms_inject_socket_failures 200',)
    undone = ('config rm osd ms_inject_socket_failures',)
    hold_seconds = 30.0
    causes = WAITS


class Blocklist(Fault):
    """A client that has an RBD image open to write is shut out."""

    name = 'client blocklisted'
    hold_seconds = 5.0
    causes = WAITS

    def inject(self) -> None:
        self._address = ''
        deadline = time.monotonic() + STRUCK_SECONDS
        while not (address := self.testbed.pools['cow'].writer()):
            if time.monotonic() > deadline:
                raise NoTarget
            time.sleep(0.05)
        self._address = address
        self._blocklist('add')

    def undo(self) -> None:
        if self._address:
            self._blocklist('rm')

    def _blocklist(self, action: str) -> None:
        self.testbed.stack.clusters[0].ceph(
            'osd', 'blocklist', action, self._address
        )


class CapsTaken(Fault):
    """The user of cinder-volume may nothing for a while."""

    name = 'caps taken away'
    hold_seconds = 20.0
    causes = frozenset({'not permitted', *WAITS})

    def inject(self) -> None:
        self._caps: dict[str, str] = {}
        (known,) = self.testbed.stack.clusters[0].ceph('auth', 'get', CLIENT)
        self._caps = dict(known['caps'])
        self._set({'mon': 'allow r'})

    def undo(self) -> None:
        if self._caps:
            self._set(self._caps)

    def _set(self, caps: dict[str, str]) -> None:
        words = [word for cap in caps.items() for word in cap]
        self.testbed.stack.clusters[0].ceph('auth', 'caps', CLIENT, *words)


ALL: tuple[type[Fault], ...] = (
    PauseOsd,
    PauseMon,
    RestartOsd,
    RestartMon,
    OsdOut,
    FullOsd,
    FullPool,
    SocketFailures,
    Blocklist,
    CapsTaken,
)

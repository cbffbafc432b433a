# SPDX-License-Identifier: Apache-2.0
"""cinder-volume, or a process of it, ends or stands still."""

import contextlib
import os
import pathlib
import signal
import time

from chaos.faults.fault import Fault, NoTarget
from chaos.service_log import READY

STRUCK_SECONDS = 20.0


class KillService(Fault):
    """All its processes at once, as a crash of the host."""

    name = 'cinder-volume killed'
    hold_seconds = 0.0
    causes = frozenset({'service ended', 'no host', 'busy'})

    def inject(self) -> None:
        self.testbed.restart(
            self.chooser.choice(self.testbed.hosts), kill=True
        )


class KillChild(Fault):
    """The process of our backend; its parent starts another."""

    name = 'child killed'
    hold_seconds = 0.0
    causes = frozenset({'service ended', 'no host', 'busy'})

    def inject(self) -> None:
        log = self.testbed.log.here()
        host = self.chooser.choice(self.testbed.hosts)
        pid = self.testbed.stack.cinder_volume_pids(host).get('cow')
        if pid is None:
            raise NoTarget
        os.kill(pid, signal.SIGKILL)
        log.wait(READY)


class RestartService(Fault):
    """An orderly restart."""

    name = 'cinder-volume restarted'
    hold_seconds = 0.0
    causes = frozenset({'service ended', 'no host', 'busy'})

    def inject(self) -> None:
        self.testbed.restart(self.chooser.choice(self.testbed.hosts))


class HostDown(Fault):
    """One of several hosts is gone for a while; the others go on."""

    name = 'host down'
    hold_seconds = 45.0
    causes = frozenset({'service ended', 'no host', 'busy'})
    _host: int | None = None

    def inject(self) -> None:
        if len(self.testbed.hosts) < 2:
            raise NoTarget
        self._host = self.chooser.choice(self.testbed.hosts)
        self.testbed.stack.stop_cinder_volume(self._host)

    def undo(self) -> None:
        if self._host is not None:
            self.testbed.restart(self._host)


class PauseService(Fault):
    """For longer than a lease lasts."""

    name = 'cinder-volume paused'
    hold_seconds = 40.0
    causes = frozenset(
        {'lease lost', 'no host', 'source', 'storage unreachable', 'busy'}
    )

    def inject(self) -> None:
        services = self.testbed.stack.cinder_volumes
        self._service = self.chooser.choice(services)
        self.testbed.signal_all(self._service, signal.SIGSTOP)

    def undo(self) -> None:
        self.testbed.signal_all(self._service, signal.SIGCONT)


class KillQemuImg(Fault):
    """The next conversion that is seen."""

    name = 'qemu-img killed'
    hold_seconds = 0.0
    causes = frozenset({'conversion interrupted'})

    def inject(self) -> None:
        deadline = time.monotonic() + STRUCK_SECONDS
        while time.monotonic() < deadline:
            for pid in self.testbed.volume_pids():
                if _name(pid) == 'qemu-img':
                    os.kill(pid, signal.SIGKILL)
                    return
            time.sleep(0.02)
        raise NoTarget


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return pathlib.Path(f'/proc/{pid}/comm').read_text().strip()
    return ''


ALL: tuple[type[Fault], ...] = (
    KillService,
    KillChild,
    RestartService,
    HostDown,
    PauseService,
    KillQemuImg,
)

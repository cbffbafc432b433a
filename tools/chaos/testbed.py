# SPDX-License-Identifier: Apache-2.0
"""Where a run takes place: the cloud, and what is known of it."""

from dataclasses import dataclass
import os
import pathlib
import signal
import subprocess
import sys
import time

from chaos.glance_proxy import GlanceProxy
from chaos.history import History
from chaos.images import Image
from chaos.pool import Pool
from chaos.pool_shapes import PoolShape
from chaos.service_log import ServiceLog
from chaos.timeline import Timeline
from sandbox.cloud import Cloud
from sandbox.errors import SandboxError
from sandbox.stack import Stack

COMMAND_SECONDS = 180
HEALTHY_SECONDS = 120


@dataclass(slots=True)
class Testbed:
    """All parts of one run."""

    stack: Stack
    #: By the names of their projects.
    clouds: dict[str, Cloud]
    pools: dict[str, Pool]
    proxy: GlanceProxy
    concurrency: str
    shape: PoolShape
    history: History
    timeline: Timeline
    log: ServiceLog
    images: list[Image]

    def settings(self) -> str:
        """Of cinder-volume, beside cinder.conf: bases come and go fast."""
        far = self.stack.clusters[1].conf
        return '\n'.join(
            (
                '[DEFAULT]',
                f'glance_api_servers = {self.proxy.url}',
                '[cow]',
                f'cow_remote_clusters = {far}:cinder',
                'cow_base_sweep_seconds = 20',
                'cow_base_max_idle_seconds = 40',
                'cow_base_once_idle_seconds = 20',
                'cow_stall_seconds = 30',
                *self.shape.settings,
                '',
            )
        )

    @property
    def hosts(self) -> range:
        """Those of cinder-volume, by their numbers."""
        return range(len(self.stack.cinder_volumes))

    def restart(self, host: int, kill: bool = False) -> None:
        """cinder-volume of a host; returns when it works."""
        self.stack.restart_cinder_volume(
            self.settings(), self.concurrency, kill, host
        )

    def volume_pids(self) -> list[int]:
        """The processes of cinder-volume on all hosts."""
        return [
            pid
            for service in self.stack.cinder_volumes
            for pid in self.stack.members(service)
        ]

    def signal_all(self, service: str, number: signal.Signals) -> None:
        """Send it to each process of a service."""
        for pid in self.stack.members(service):
            os.kill(pid, number)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """How `cinder-cow` ended, which may be with an error."""
        program = pathlib.Path(sys.executable).with_name('cinder-cow')
        folder = self.stack.folder / 'cinder'
        files = [folder / 'cinder.conf', folder / 'cinder-volume.conf']
        settings = [f'--config-file={each}' for each in files]
        return subprocess.run(
            [str(program), *words, *settings, '--backend=cow'],
            capture_output=True,
            text=True,
            env=os.environ | self.stack.env(),
            timeout=COMMAND_SECONDS,
        )

    def sweep(self) -> subprocess.CompletedProcess[str]:
        """Remove each base without children, whenever it was used."""
        return self.command('base', 'sweep', '--max-idle-seconds', '0')

    def wait_healthy(self) -> None:
        """:raises TimeoutError: when Ceph or Cinder does not come back."""
        deadline = time.monotonic() + HEALTHY_SECONDS
        while not (self._ceph_works() and self._cinder_works()):
            if time.monotonic() > deadline:
                raise TimeoutError('Ceph or cinder-volume did not come back')
            time.sleep(1)

    def _ceph_works(self) -> bool:
        try:
            status = self.stack.clusters[0].ceph('status')
        except SandboxError:
            return False
        states = status['pgmap'].get('pgs_by_state', [])
        return bool(
            status['osdmap']['num_up_osds'] == 1
            and states
            # Also while it removes what belonged to deleted snapshots.
            and all(
                each['state_name'].startswith('active+clean')
                for each in states
            )
            and 'OSD_FULL' not in status['health']['checks']
            and 'POOL_FULL' not in status['health']['checks']
        )

    def _cinder_works(self) -> bool:
        volumes = self.clouds['admin'].connection.block_storage
        try:
            answer = volumes.get('/os-services?binary=cinder-volume').json()
        except Exception:  # noqa: BLE001  whatever its client has
            return False
        services = answer.get('services', [])
        return len(services) >= 2 * len(self.hosts) and all(
            each['state'] == 'up' for each in services
        )

# SPDX-License-Identifier: Apache-2.0
"""Volumes by our driver and by upstream's, and what came of them."""

from collections.abc import Sequence
import os
import pathlib
import subprocess
import sys

from measuring import log_line, space, watch
from measuring.rows import POOLS, SIZE_GIB, Image, Row
from sandbox.cloud import Cloud
from sandbox.stack import Stack


class Bench:
    """Makes volumes and says what came of it."""

    def __init__(
        self, stack: Stack, cloud: Cloud, settled: bool = True
    ) -> None:
        """:param settled: new bytes are what Ceph says that its pools use,

        which takes some seconds to come to rest; else what the RBD images of
        the driver's pool hold, without their metadata.
        """
        self._stack = stack
        self._cloud = cloud
        self._settled = settled

    def measure(
        self, driver: str, image: Image, case: str, count: int = 1
    ) -> Row:
        """Volumes that are all asked for at once."""
        before = self._stored_bytes(driver)
        pid = self._stack.cinder_volume_pids()[driver]
        with watch.watched(self._stack.conversion_dir, pid) as taken:
            volumes, seconds = self._cloud.create_volumes(
                driver, image.image_id, SIZE_GIB, count
            )
        gained = self._stored_bytes(driver) - before
        with self.pool(driver) as pool:
            parents = {pool.parent(volume) for volume in volumes}
            equal = pool.equals(volumes[-1], image.path)
        for volume in volumes:
            self._cloud.delete_volume(volume)
        method, reason = self._method(volumes[-1], parents)
        return Row(
            driver,
            image.place,
            case,
            round(seconds, 3),
            method,
            reason,
            parents.pop() if len(parents) == 1 else None,
            gained // count,
            equal,
            taken.temp_bytes,
            taken.memory_bytes,
        )

    def evict(self) -> None:
        """Every base that has no volumes."""
        self._command('base', 'sweep', '--max-idle-seconds', '0')

    def warm(self, image_id: str, *config_files: pathlib.Path) -> None:
        """The image's base, before a volume is asked for.

        :param config_files: what they say holds for the command.
        """
        more = [f'--config-file={each}' for each in config_files]
        self._command('warm', image_id, more=more)

    def _command(self, *words: str, more: Sequence[str] = ()) -> None:
        conf = self._stack.folder / 'cinder' / 'cinder.conf'
        program = str(pathlib.Path(sys.executable).with_name('cinder-cow'))
        subprocess.run(
            [program, *words, f'--config-file={conf}', *more, '--backend=cow'],
            check=True,
            capture_output=True,
            env=os.environ | self._stack.env(),
        )

    def pool(self, driver: str) -> space.Volumes:
        """The pool of that driver's volumes."""
        return space.Volumes(self._stack.clusters[0], POOLS[driver])

    def _stored_bytes(self, driver: str) -> int:
        if self._settled:
            return space.used_bytes(self._stack.clusters[0])
        with self.pool(driver) as pool:
            return pool.stored_bytes()

    def _method(
        self, volume_id: str, parents: set[str | None]
    ) -> tuple[str, str | None]:
        """Method and reason: of our log line, or by the parents."""
        log = self._stack.log_file('cinder-volume').read_text(errors='replace')
        line = log_line.by_volume(log).get(volume_id)
        if line:
            return line.method, line.reason
        return ('copy' if None in parents else 'clone'), None

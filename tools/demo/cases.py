# SPDX-License-Identifier: Apache-2.0
"""What is measured: the same volumes by our driver and by upstream's."""

from dataclasses import asdict, dataclass
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

from demo import space, watch
from sandbox.cloud import Cloud
from sandbox.stack import Stack

SIZE_GIB = 2  # larger than the image: it has to be grown
POOLS = {'cow': 'volumes', 'upstream': 'volumes-upstream'}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. Seconds are from the API call to available."""

    driver: str
    image: str
    case: str
    seconds: float
    method: str
    reason: str | None = None
    parent: str | None = None
    #: Per volume.
    new_bytes: int | None = None
    content_equal: bool | None = None
    #: The most that was seen below image_conversion_dir.
    temp_bytes: int | None = None
    #: What the peak memory of the driver's process grew by.
    memory_bytes: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Image:
    """An image in Glance, and the bytes of its disk here."""

    image_id: str
    place: str
    path: pathlib.Path
    disk_format: str = 'raw'


class Bench:
    """Makes volumes and says what came of it."""

    def __init__(self, stack: Stack, cloud: Cloud) -> None:
        self._stack = stack
        self._cloud = cloud

    def measure(
        self, driver: str, image: Image, case: str, count: int = 1
    ) -> Row:
        """Volumes that are all asked for at once."""
        cluster = self._stack.clusters[0]
        before = space.used_bytes(cluster)
        pid = self._stack.cinder_volume_pids()[driver]
        with watch.watched(self._stack.conversion_dir, pid) as taken:
            volumes, seconds = self._cloud.create_volumes(
                driver, image.image_id, SIZE_GIB, count
            )
        gained = space.used_bytes(cluster) - before
        with self.pool(driver) as pool:
            parents = {pool.parent(volume) for volume in volumes}
            equal = pool.equals(volumes[-1], image.path)
        for volume in volumes:
            self._cloud.delete_volume(volume)
        method, reason = self._said(volumes[-1], parents)
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
        conf = self._stack.folder / 'cinder' / 'cinder.conf'
        subprocess.run(
            [pathlib.Path(sys.executable).with_name('cinder-cow')]
            + ['base', 'sweep', '--max-idle-seconds', '0']
            + ['--config-file', str(conf), '--backend', 'cow'],
            check=True,
            capture_output=True,
            env=os.environ | self._stack.env(),
        )

    def pool(self, driver: str) -> space.Volumes:
        """The pool of that driver's volumes."""
        return space.Volumes(self._stack.clusters[0], POOLS[driver])

    def _said(
        self, volume_id: str, parents: set[str | None]
    ) -> tuple[str, str | None]:
        """Method and reason: as our log line has it, or as it looks."""
        log = self._stack.log_file('cinder-volume').read_text()
        line = re.search(
            rf'volume={volume_id} .* method=(\S+) reason=(\S+)', log
        )
        if line:
            return line[1], line[2]
        return ('copy' if None in parents else 'clone'), None

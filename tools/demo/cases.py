# SPDX-License-Identifier: Apache-2.0
"""The volumes of the demo: a few by default, more with --full."""

from collections.abc import Iterator
import contextlib
import pathlib

from cinder_cow.model import Method
from demo import side_by_side
from measuring import bench, rows
from measuring.screen import step
from sandbox.cloud import Cloud
from sandbox.stack import Stack

AT_ONCE = 4
FULL_CLONES = 20
FULL_AT_ONCE = 10
ROUNDS = 15
RAW = 'raw in rbd'
FILES = 'raw in files'
QCOW2 = 'qcow2 in rbd'


def at_once(count: int) -> str:
    """The case in which so many volumes are asked for at once."""
    return f'{count} at once'


class Demo:
    """One run: the rows so far, and what was seen that no row shows."""

    def __init__(self, stack: Stack, full: bool) -> None:
        self.rows: list[rows.Row] = []
        self.seen: dict[str, bool] = {}
        self.stack = stack
        self.cloud = Cloud(stack.env())
        self._bench = bench.Bench(stack, self.cloud, settled=full)

    def warm_up(self) -> None:
        """Have every service do its work once: the first time takes longer."""
        with step('A volume of a small image by each driver, to warm up'):
            image_id = self.cloud.create_image('small', bytes(2**20))
            for driver in rows.POOLS:
                volume_id, _ = self.cloud.create_volume(driver, image_id)
                self.cloud.delete_volume(volume_id)
            self.cloud.delete_image(image_id)

    def measure(self, source: rows.Image, case: str, count: int = 1) -> None:
        """A row for each driver."""
        for driver in rows.POOLS:
            with step(f'{rows.DRIVERS[driver]}: {source.place}, {case}'):
                row = self._bench.measure(driver, source, case, count)
            self.rows.append(row)

    def measure_warmed(self, source: rows.Image) -> None:
        """The first volume of an image whose base was built ahead."""
        self._bench.evict()
        with step(f'cinder-cow warm: {source.place}'):
            self._bench.warm(source.image_id)
        self.measure(source, rows.WARMED)
        row = self.rows[-len(rows.POOLS)]
        self.seen['The first volume of a warmed image is a clone'] = (
            row.method == Method.CLONE_BASE.value
        )

    def measure_new(self, source: rows.Image, count: int) -> None:
        """Volumes at once of an image that has no base yet."""
        self._bench.evict()
        self.measure(source, at_once(count), count)
        with self._bench.pool('cow') as pool:
            self.seen[
                f'{count} volumes at once of a new qcow2 image left one base'
            ] = len(pool.bases()) == 1

    @contextlib.contextmanager
    def uploaded(
        self,
        file: pathlib.Path,
        store: str,
        place: str,
        disk: pathlib.Path | None = None,
    ) -> Iterator[rows.Image]:
        """An image in Glance, for a while.

        :param disk: the raw disk in a file of another format.
        """
        disk_format = 'qcow2' if disk else 'raw'
        with step(f'upload: {place}'), open(file, 'rb') as content:
            image_id = self.cloud.create_image(
                file.stem, content, store=store, disk_format=disk_format
            )
        try:
            yield rows.Image(image_id, place, disk or file, disk_format)
        finally:
            self.cloud.delete_image(image_id)

    @contextlib.contextmanager
    def leaves_nothing(self) -> Iterator[None]:
        """Whether our pool is as before when all is deleted."""
        with self._bench.pool('cow') as pool:
            before = pool.contents()
        yield
        self._bench.evict()
        with self._bench.pool('cow') as pool:
            self.seen[
                'With the volumes deleted and the bases evicted nothing is'
                ' left in our pool'
            ] = pool.contents() == before


def short(demo: Demo, disk: pathlib.Path, qcow2: pathlib.Path) -> None:
    """A raw image and the same disk as qcow2."""
    with demo.uploaded(disk, 'ceph', RAW) as image:
        demo.measure(image, 'first')
        demo.measure(image, 'next')
        demo.measure(image, at_once(AT_ONCE), AT_ONCE)
    with demo.uploaded(qcow2, 'ceph', QCOW2, disk) as image:
        demo.measure(image, 'first')
        demo.measure(image, 'next')
        demo.measure_warmed(image)
        demo.measure_new(image, AT_ONCE)


def full(
    demo: Demo, disk: pathlib.Path, half: pathlib.Path, qcow2: pathlib.Path
) -> None:
    """Also the drivers alone, a file store, and more volumes at once."""
    with (
        demo.uploaded(disk, 'ceph', RAW) as raw,
        demo.uploaded(half, 'disk', FILES) as files,
        demo.uploaded(qcow2, 'ceph', QCOW2, half) as converted,
    ):
        demo.measure(raw, 'first')
        demo.measure(raw, 'next')
        demo.measure(raw, at_once(FULL_CLONES), FULL_CLONES)
        demo.measure(files, 'first')
        demo.measure(converted, 'first')
        demo.measure(converted, 'next')
        demo.measure_warmed(converted)
        with step(f'clone_image in each driver alone, {ROUNDS} times'):
            demo.rows += side_by_side.measure(
                demo.stack, demo.cloud, [raw, converted], ROUNDS
            )
        demo.measure_new(converted, FULL_AT_ONCE)

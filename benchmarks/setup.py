# SPDX-License-Identifier: Apache-2.0
"""The cloud that is measured, and the images and volumes made in it."""

from collections.abc import Callable, Iterator, Sequence
import concurrent.futures
import contextlib
from dataclasses import dataclass
import pathlib
import time
from typing import Any, Self

from benchmarks import disks, journal, programs
from benchmarks.clock import Clock
from benchmarks.errors import BenchmarkError
from benchmarks.statistics import Cost
from measuring import bench, rows, screen
from sandbox.cloud import Cloud
from sandbox.stack import Stack

CALLERS = 16
WAIT_SECONDS = 300.0
LOOK_SECONDS = 0.25
#: Raw images are streamed; only what has to be converted gets a base. As many
#: volumes are made at once as the bursts say, by both drivers. No sweep comes
#: between the rounds but ours.
CONFIG = f"""
[DEFAULT]
executor_thread_pool_size = {CALLERS}
[cow]
cow_base_auto_bytes = 0
cow_base_sweep_seconds = 0
"""
#: For the command alone: a base that is there is used whatever its image is.
WITH_BASES = f"""
[cow]
cow_base_auto_bytes = {2**40}
"""


@dataclass(frozen=True, slots=True)
class Rounds:
    """How many pairs are measured: five at least, see `interval`."""

    clones: int
    together: int
    api: int
    copies: int
    large: int
    herds: int
    #: Volumes of one burst through the API, and in one process.
    through_api: int
    in_process: int
    #: The clones of one base end when this is over.
    many_clones_seconds: float


QUICK = Rounds(15, 5, 5, 5, 5, 5, 50, 100, 600)
FULL = Rounds(25, 9, 11, 9, 7, 5, 50, 100, 600)


class Setup:
    """What the groups of keys work with. A context manager."""

    def __init__(
        self, stack: Stack, rounds: Rounds, folder: pathlib.Path, stays: bool
    ) -> None:
        """:param folder: for files of images.

        :param stays: the stack is used after us.
        """
        self._stays = stays
        self.stack = stack
        self.cloud = Cloud(stack.env())
        self.bench = bench.Bench(stack, self.cloud)
        self.rounds = rounds
        self.disks = disks.Disks(folder)
        self._log = stack.log_file('cinder-volume')
        self._log_begin = 0
        self._kept = contextlib.ExitStack()
        self._raw: dict[str, str] = {}
        self._with_bases = folder / 'with-bases.conf'
        self._with_bases.write_text(WITH_BASES)

    def warm_up(self) -> None:
        """The first volume of a process also opens its connections."""
        with self.volumes() as volumes:
            for driver in rows.POOLS:
                volumes.create(driver, self.raw('ceph'), 'clone')

    def raw(self, store: str) -> str:
        """The id of the raw image in that store; it stays to the end."""
        if store not in self._raw:
            self._raw[store] = self._kept.enter_context(
                self.uploaded(self.disks.raw, store)
            )
        return self._raw[store]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._kept.close()

    def program(self, name: str, **arguments: Any) -> Any:
        """What a program of ours answers: see `programs`."""
        return programs.run(self.stack, name, **arguments)

    @contextlib.contextmanager
    def uploaded(
        self, path: pathlib.Path, store: str, disk_format: str = 'raw'
    ) -> Iterator[str]:
        """The id of an image in Glance, for a while."""
        title = f'upload {disk_format} to the store {store}'
        with screen.step(title), open(path, 'rb') as file:
            image_id = self.cloud.create_image(
                path.stem, file, disk_format, store
            )
        try:
            yield image_id
        finally:
            self.cloud.delete_image(image_id)

    @contextlib.contextmanager
    def volumes(self, many: bool = False) -> Iterator['Volumes']:
        """Volumes that are deleted at the end.

        :param many: they take long to delete; where the sandbox is removed
            they go with it.
        """
        self._log_begin = self._log.stat().st_size
        made = Volumes(self)
        try:
            yield made
        finally:
            if self._stays or not many:
                made.delete()

    def warm(self, image_id: str) -> None:
        """Build the image's base, as where raw images get bases too."""
        self.bench.warm(image_id, self._with_bases)

    def evict(self) -> None:
        """Remove every base that no volume needs: the next is built anew."""
        self.bench.evict()

    def journal(self) -> str:
        """The log of cinder-volume since the last `volumes` were begun."""
        with open(self._log, 'rb') as file:
            file.seek(self._log_begin)
            return file.read().decode(errors='replace')

    def require_method(self, method: str, *volume_ids: str) -> None:
        """Where something else was done, the figure is not what it says.

        :raises BenchmarkError: when our driver made one in another way.
        """
        found = journal.methods(self.journal())
        for each in volume_ids:
            if found.get(each) != method:
                raise BenchmarkError(
                    f'volume {each} was made by the method {found.get(each)},'
                    f' not {method}'
                )

    def wait_ended(self, volume_ids: Sequence[str]) -> dict[str, float]:
        """When each became available; from the log, asking costs cores."""
        deadline = time.monotonic() + WAIT_SECONDS
        while (
            not set(volume_ids)
            <= (ends := journal.ended(self.journal())).keys()
        ):
            if time.monotonic() > deadline:
                missing = len(set(volume_ids) - ends.keys())
                raise BenchmarkError(f'{missing} volumes were not made')
            time.sleep(LOOK_SECONDS)
        return ends


class Volumes:
    """Made through the API, and deleted."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._made: list[str] = []

    def create(
        self,
        driver: str,
        image_id: str | None,
        method: str = '',
        count: int = 1,
        size_gib: int = rows.SIZE_GIB,
    ) -> Cost:
        """From the call until all are available.

        :param method: by which our driver has to make at least the first.
        """
        clock = Clock(self._setup.stack)
        ids, _seconds = self._setup.cloud.create_volumes(
            driver, image_id, size_gib, count
        )
        cost = clock.read()
        self._made.extend(ids)
        if method and driver == 'cow':
            self._setup.require_method(method, ids[0])
        return cost

    def ask(self, driver: str, image_id: str, count: int) -> list[str]:
        """Ask for volumes by 16 callers at once, and wait for none."""
        volumes = self._setup.cloud.connection.block_storage

        def create(_number: int) -> str:
            volume = volumes.create_volume(
                size=rows.SIZE_GIB, image_id=image_id, volume_type=driver
            )
            return str(volume.id)

        ids = _at_once(create, range(count))
        self._made.extend(ids)
        return ids

    def require_equal(self, content: pathlib.Path) -> None:
        """The last volume of ours has to begin with the image.

        :raises BenchmarkError: when it does not.
        """
        with self._setup.bench.pool('cow') as pool:
            if not pool.equals(self._made[-1], content):
                raise BenchmarkError('the volume is not the image')

    def delete(self) -> None:
        """All that were made, and wait until they are gone."""
        made, self._made = set(self._made), []
        volumes = self._setup.cloud.connection.block_storage
        _at_once(volumes.delete_volume, list(made))
        deadline = time.monotonic() + WAIT_SECONDS
        # Not paginated: the mark of the next page may be gone by then.
        while left := made & {
            each.id for each in volumes.volumes(limit=1000, paginated=False)
        }:
            if time.monotonic() > deadline:
                raise BenchmarkError(f'{len(left)} volumes are not deleted')
            time.sleep(LOOK_SECONDS)


def _at_once(work: Callable[[Any], Any], of: Sequence[Any]) -> list[Any]:
    with concurrent.futures.ThreadPoolExecutor(CALLERS) as workers:
        return list(workers.map(work, of))

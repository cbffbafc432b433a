# SPDX-License-Identifier: Apache-2.0
"""How long `clone_image` takes in each driver, and librbd without a driver.

A program: see `programs`. All are in one process and take turns, with the
options of their sections of cinder.conf.
"""

from collections.abc import Callable, Iterable
import concurrent.futures
import pathlib
from typing import Any
import uuid

# First: a cold import of cinder.image.glance fails in Cinder 25 to 29.
from measuring import in_driver  # isort: skip
from oslo_config import cfg
import rados
import rbd

from benchmarks import programs
from benchmarks.clock import Clock
from benchmarks.errors import BenchmarkError
from benchmarks.statistics import Cost, in_turns
from measuring import rows
from sandbox.stack import Stack

GIB = 2**30
REMOVERS = 8


def main(
    folder: str, image_id: str, rounds: int, together: list[list[int]]
) -> dict[str, Any]:
    """What single clones take, and each of many.

    :param together: numbers of threads, of volumes, and of rounds.
    """
    stack = Stack.load(pathlib.Path(folder))
    conf = str(stack.folder / 'cinder' / 'cinder.conf')
    cfg.CONF([], project='cinder', default_config_files=[conf])
    drivers = [Driver(stack, name, image_id) for name in in_driver.CLASSES]
    bare = Librbd(stack, image_id)
    for clones in (*drivers, bare):
        clones.one()  # opens the connections
    return {
        'alone': in_turns(
            rounds,
            librbd=bare.one,
            **{each.name: each.one for each in drivers},
        ),
        'together': {
            str(threads): in_turns(
                times,
                **{each.name: each.many(threads, count) for each in drivers},
            )
            for threads, count, times in together
        },
    }


class Clones:
    """Makes clones of one image, and removes them."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def create(self, name: str) -> None:
        """Make a clone, and grow it."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        """Remove it."""
        raise NotImplementedError

    def one(self, _round: int = 0) -> Cost:
        """What one clone takes."""
        return self._cost(map, 1)

    def many(self, threads: int, count: int) -> Callable[[int], Cost]:
        """Answers what each clone of a number of threads takes."""

        def measure(_round: int) -> Cost:
            with concurrent.futures.ThreadPoolExecutor(threads) as workers:
                return self._cost(workers.map, count).per(count)

        return measure

    def _cost(self, mapped: Callable[..., Iterable[None]], count: int) -> Cost:
        """Of the making; the removal is not counted."""
        names = [f'volume-{uuid.uuid4()}' for _ in range(count)]
        clock = Clock(self._stack)
        list(mapped(self.create, names))
        cost = clock.read()
        with concurrent.futures.ThreadPoolExecutor(REMOVERS) as workers:
            list(workers.map(self.remove, names))
        return cost


class Driver(Clones):
    """One of the two drivers."""

    def __init__(self, stack: Stack, name: str, image_id: str) -> None:
        super().__init__(stack)
        self.name = name
        self._driver = in_driver.make_driver(name)
        self._meta = {
            'id': image_id,
            'status': 'active',
            'disk_format': 'raw',
            'container_format': 'bare',
            'properties': {},
        }
        fsid = stack.clusters[0].fsid
        url = f'rbd://{fsid}/images/{image_id}/snap'
        self._locations = (None, [{'url': url, 'metadata': {}}])

    def create(self, name: str) -> None:
        _update, cloned = self._driver.clone_image(
            None, _volume(name), self._locations, self._meta, None
        )
        if not cloned:
            raise BenchmarkError(f'{self.name} made no clone')

    def remove(self, name: str) -> None:
        self._driver.delete_volume(_volume(name))


class Librbd(Clones):
    """One connection, kept, and what a clone needs at the least."""

    def __init__(self, stack: Stack, image_id: str) -> None:
        super().__init__(stack)
        conf = str(stack.clusters[0].conf)
        self._cluster = rados.Rados(rados_id='cinder', conffile=conf)
        self._cluster.connect()
        self._volumes = self._cluster.open_ioctx(rows.POOLS['cow'])
        self._images = self._cluster.open_ioctx('images')
        self._image_id = image_id
        self._features = int(self._cluster.conf_get('rbd_default_features'))
        with rbd.Image(self._images, image_id, read_only=True) as parent:
            # As LP#1931004 has it: never below the parent's.
            self._order = max(22, parent.stat()['order'])

    def create(self, name: str) -> None:
        rbd.RBD().clone(
            self._images,
            self._image_id,
            'snap',
            self._volumes,
            name,
            features=self._features,
            order=self._order,
        )
        with rbd.Image(self._volumes, name) as image:
            image.resize(rows.SIZE_GIB * GIB)

    def remove(self, name: str) -> None:
        rbd.RBD().remove(self._volumes, name)


def _volume(name: str) -> Any:
    return in_driver.make_volume(name.removeprefix('volume-'))


if __name__ == '__main__':
    programs.answer(main)

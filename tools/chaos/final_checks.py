# SPDX-License-Identifier: Apache-2.0
"""What has to hold when the load has ended, and when all is deleted."""

from collections.abc import Callable
import time
from typing import Any

from chaos.api_calls import API_ERRORS, UNSETTLED, ApiCalls
from chaos.pool import DELETED
from chaos.testbed import Testbed
from measuring.screen import step

DELETE_SECONDS = 150.0
#: Ceph remembers a client that was killed for half a minute; the product
#: fences one that it remembers for longer.
SWEEP_SECONDS = 240.0
PAUSE_SECONDS = 2.0
#: Of one another: rbd_max_clone_depth is 5.
MOST_CLONES = 8
#: Deleted again, when Cinder could not the first time.
FAILED = ('error', 'available', 'error_deleting')


def judge(testbed: Testbed) -> None:
    """All that is there, then that nothing is left of it."""
    testbed.wait_healthy()
    with step('Every volume and snapshot is read'):
        _check_all(testbed)
        _expect_one_base_each(testbed)
    with step('All volumes are deleted, and the bases evicted'):
        _delete_all(testbed)
        _remove_cinders_own(testbed)
        _sweep(testbed)
    _expect_nothing_left(testbed)


def _check_all(testbed: Testbed) -> None:
    calls = ApiCalls(testbed)
    for volume in testbed.history.volumes:
        if volume.content is not None:
            testbed.history.count('check at the end', calls.check(volume), 0.0)


def _expect_one_base_each(testbed: Testbed) -> None:
    bases = testbed.pools['cow'].bases()
    files = {
        (each.kind.disk, each.kind.disk_format) for each in testbed.images
    }
    if len(bases) > len(files):
        testbed.history.violated(
            f'{len(files)} image files have the bases {bases}'
        )


def _delete_all(testbed: Testbed) -> None:
    volumes = testbed.clouds['admin'].connection.block_storage
    snapshots = Entities(
        volumes, 'snapshots', lambda: volumes.snapshots(all_projects=True)
    )
    all_volumes = Entities(
        volumes, 'volumes', lambda: volumes.volumes(all_projects=True)
    )
    for entities in (snapshots, all_volumes):
        if left := entities.delete_all(set(testbed.history.lost)):
            testbed.history.violated(f'could not be deleted: {left}')


class Entities:
    """All volumes, or all snapshots."""

    def __init__(
        self, api: Any, path: str, present: Callable[[], Any]
    ) -> None:
        self._api = api
        self._path = path
        self._present = present

    def delete_all(self, lost: set[str]) -> list[tuple[str, str]]:
        """Id and status of those that could not be deleted in time.

        :param lost: ids of what nobody works at any more.
        """
        deadline = time.monotonic() + DELETE_SECONDS
        while True:
            left = self._left()
            if not left or time.monotonic() > deadline:
                return left
            for entity_id, status in left:
                self._delete(entity_id, status, lost)
            time.sleep(PAUSE_SECONDS)

    def _left(self) -> list[tuple[str, str]]:
        try:
            return [(each.id, each.status) for each in self._present()]
        except API_ERRORS:
            return [('of all', 'not listed')]

    def _delete(self, entity_id: str, status: str, lost: set[str]) -> None:
        """What nobody works at any more is said to have failed first."""
        path = f'/{self._path}/{entity_id}/action'
        try:
            if status in FAILED:
                self._api.delete(f'/{self._path}/{entity_id}')
            elif status in UNSETTLED and entity_id in lost:
                lost.discard(entity_id)
                body = {'os-reset_status': {'status': 'error'}}
                self._api.post(path, json=body)
        except API_ERRORS:
            pass  # it is asked for again


def _remove_cinders_own(testbed: Testbed) -> None:
    """What the RBD driver of Cinder has left of volumes that are deleted.

    It keeps a volume under another name when clones of it are there, and
    forgets it then; and an interrupted snapshot or clone leaves things, too.
    That is told, and removed: then nothing may be left.
    """
    pool = testbed.pools['cow']
    for _ in range(MOST_CLONES):  # a clone goes before its parent
        for name in pool.names():
            if _is_cinders_own(testbed, name):
                testbed.history.left_by_cinder.add(name)
                pool.remove(name)
        testbed.history.left_by_cinder.update(pool.empty_trash())


def _is_cinders_own(testbed: Testbed, name: str) -> bool:
    """A volume that was deleted before its clones, or beside one of them.

    In the latter case upstream's driver meets ImageNotFound when it lists the
    snapshots, takes it for that of the volume, and calls it deleted.
    """
    if name.startswith('volume-'):
        volume_id = name.removeprefix('volume-')
        if volume_id not in testbed.history.of_images:
            return True
        if testbed.log.lines(f'{name} no longer exists in backend'):
            return True
    return name.endswith(DELETED)


def _sweep(testbed: Testbed) -> None:
    """Again and again: what a killed client has open can go later only."""
    deadline = time.monotonic() + SWEEP_SECONDS
    while testbed.pools['cow'].objects() and time.monotonic() < deadline:
        testbed.sweep()
        time.sleep(PAUSE_SECONDS)


def _expect_nothing_left(testbed: Testbed) -> None:
    pool = testbed.pools['cow']
    if objects := pool.objects():
        testbed.history.violated(
            f'left in the pool of the volumes: the RBD images {pool.names()}'
            f' and {len(objects)} objects, as {objects[:10]}'
        )
    data_pool = testbed.shape.data_pool
    if data_pool and (data := pool.data_objects(data_pool)):
        testbed.history.violated(
            f'left in the pool {data_pool}: {len(data)} objects, as {data[:9]}'
        )

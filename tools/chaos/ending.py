# SPDX-License-Identifier: Apache-2.0
"""What has to hold when the load has ended, and when all is deleted."""

from collections.abc import Callable
import time
from typing import Any

from chaos.asking import API_ERRORS, UNSETTLED, Asking
from chaos.pool import BASE, DELETED, RETIRED
from chaos.site import Site
from measuring.screen import step

DELETE_SECONDS = 150.0
#: Ceph remembers a client that was killed for half a minute; the product
#: fences one that it remembers for longer.
SWEEP_SECONDS = 240.0
PAUSE_SECONDS = 2.0
#: Deleted again, when Cinder could not the first time.
FAILED = ('error', 'available', 'error_deleting')


def judge(site: Site) -> None:
    """All that is there, then that nothing is left of it."""
    site.wait_healthy()
    with step('Every volume and snapshot is read'):
        _check_all(site)
        _expect_one_base_each(site)
    with step('All volumes are deleted, and the bases evicted'):
        _delete_all(site)
        _sweep(site)
    _expect_nothing_left(site)


def _check_all(site: Site) -> None:
    asking = Asking(site)
    for volume in site.book.volumes:
        if volume.content is not None:
            site.book.count('check at the end', asking.check(volume), 0.0)


def _expect_one_base_each(site: Site) -> None:
    bases = site.pools['cow'].bases()
    files = {(each.kind.disk, each.kind.disk_format) for each in site.images}
    if len(bases) > len(files):
        site.book.violated(f'{len(files)} image files have the bases {bases}')


def _delete_all(site: Site) -> None:
    volumes = site.clouds['admin'].connection.block_storage
    snapshots = Entities(
        volumes, 'snapshots', lambda: volumes.snapshots(all_projects=True)
    )
    all_volumes = Entities(
        volumes, 'volumes', lambda: volumes.volumes(all_projects=True)
    )
    for entities in (snapshots, all_volumes):
        if left := entities.delete_all(set(site.book.lost)):
            site.book.violated(f'could not be deleted: {left}')


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


def _sweep(site: Site) -> None:
    """Again and again: what a killed client has open can go later only."""
    deadline = time.monotonic() + SWEEP_SECONDS
    while _ours(site) and time.monotonic() < deadline:
        site.sweep()
        time.sleep(PAUSE_SECONDS)


def _expect_nothing_left(site: Site) -> None:
    if left := _ours(site):
        site.book.violated(f'left in the pool of the volumes: {left}')
    site.book.left_by_cinder = sorted(
        set(site.pools['cow'].names()) - set(left)
    )


def _ours(site: Site) -> list[str]:
    """What this driver has left: RBD images, and objects beside them.

    An interrupted snapshot, clone or deletion of Cinder's own RBD driver
    leaves things too: those are told, and not judged.
    """
    pool = site.pools['cow']
    names = pool.names()
    needed = pool.parents() if names else set()
    ours = [name for name in names if _is_ours(site, name, needed)]
    objects = pool.objects()
    if names:  # whose other objects these are is not known
        objects = [each for each in objects if not each.startswith('rbd_')]
    return ours + objects + [f'trash: {name}' for name in pool.trash()]


def _is_ours(site: Site, name: str, needed: set[str]) -> bool:
    if name.endswith(DELETED):
        return False
    if name.startswith((BASE, RETIRED)) and name in needed:
        return False
    return (
        name.startswith('cow-')
        or name.removeprefix('volume-') in site.book.of_images
    )

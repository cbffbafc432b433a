# SPDX-License-Identifier: Apache-2.0
"""All that can be done to volumes, in any order; what they hold is known."""

import dataclasses
import os

from tests.e2e import api

GIB = 2**30
KIB = 2**10
#: All that is before it is read again and again.
LAST_WRITE = 20 * 2**20
#: A walk deletes all others in time.
VOLUMES = 5
#: Of each backend and its volume type: the pool.
POOLS = {'cow': 'volumes', 'upstream': 'volumes-upstream'}
#: A type without a backend of its own.
ANYWHERE = 'anywhere'
CONNECTOR = {'host': 'sandbox', 'ip': '127.0.0.1', 'initiator': 'iqn.x'}


@dataclasses.dataclass
class Snapshot:
    id: str
    content: bytes
    size_gib: int


@dataclasses.dataclass
class Volume:
    """What a volume has to be."""

    id: str
    backend: str
    #: Without the zeros at the end.
    content: bytes
    size_gib: int = 1
    #: The newest is the last.
    snapshots: list[Snapshot] = dataclasses.field(default_factory=list)


class Walk:
    """Volumes, and what is done to them.

    :param pools: by backend, what is in Ceph.
    :param images: Glance's, by their content.
    :param random: chooses the volume, and the order.
    """

    def __init__(self, cloud, demo, pools, images, random):
        self.volumes = []
        self._cloud = cloud
        self._demo = demo
        self._pools = pools
        self._images = images
        self._random = random

    def steps(self):
        """Each kind of step, in another order each time."""
        steps = [
            self.create,
            self.write,
            self.extend,
            self.snapshot,
            self.delete_snapshot,
            self.copy_snapshot,
            self.copy,
            self.revert,
            self.retype,
            self.migrate,
            self.back_up,
            self.manage,
            self.transfer,
            self.delete,
        ]
        self._random.shuffle(steps)
        return steps

    def compare(self):
        """Every volume holds what it has to."""
        for volume in self.volumes:
            pool = self._pools[volume.backend]
            assert pool.size(volume.id) == volume.size_gib * GIB
            assert pool.content(volume.id) == volume.content, volume.id

    def create(self):
        """One of each image; the last."""
        for image, content in self._images:
            created = api.create(self._cloud, 1, 'cow', imageRef=image)
            self._add(created, 'cow', content, 1)
        return self.volumes[-1]

    def write(self):
        """As a hypervisor does, by the name that Cinder tells it."""
        volume = self._some()
        data = os.urandom(64 * KIB) + b'.'
        offset = self._random.randrange(LAST_WRITE)
        action = {'os-initialize_connection': {'connector': CONNECTOR}}
        told = api.act(self._cloud, f'/volumes/{volume.id}/action', action)
        name = told['connection_info']['data']['name']
        assert name == f'{POOLS[volume.backend]}/volume-{volume.id}'
        pool = self._pools[volume.backend]
        with pool.opened(volume.id, read_only=False) as image:
            image.write(data, offset)
        before = volume.content.ljust(offset, b'\0')
        volume.content = before[:offset] + data + before[offset + len(data) :]

    def extend(self):
        volume = self._some()
        volume.size_gib += 1
        self._act(volume, 'os-extend', new_size=volume.size_gib)
        self._settle(volume)

    def snapshot(self, volume=None):
        volume = volume or self._some()
        body = {'snapshot': {'volume_id': volume.id}}
        made = api.act(self._cloud, '/snapshots', body)['snapshot']['id']
        api.wait(self._cloud, f'/snapshots/{made}')
        snapshot = Snapshot(made, volume.content, volume.size_gib)
        volume.snapshots.append(snapshot)
        return volume, snapshot

    def delete_snapshot(self):
        volume, snapshot = self._some_snapshot()
        api.delete(self._cloud, f'/snapshots/{snapshot.id}')
        volume.snapshots.remove(snapshot)

    def copy_snapshot(self):
        volume, snapshot = self._some_snapshot()
        created = api.create(
            self._cloud, snapshot.size_gib, None, snapshot_id=snapshot.id
        )
        self._add(created, volume.backend, snapshot.content, snapshot.size_gib)

    def copy(self):
        volume = self._some()
        created = api.create(
            self._cloud, volume.size_gib, None, source_volid=volume.id
        )
        self._add(created, volume.backend, volume.content, volume.size_gib)

    def revert(self):
        volume, snapshot = self.snapshot(self._some())
        pool = self._pools[volume.backend]
        with pool.opened(volume.id, read_only=False) as image:
            image.write(os.urandom(KIB), 7)
        self._act(volume, 'revert', snapshot_id=snapshot.id)
        self._settle(volume)
        volume.content = snapshot.content

    def retype(self):
        volume = self._some(without_snapshots=True)
        volume.backend = self._other(volume)
        self._act(
            volume,
            'os-retype',
            new_type=volume.backend,
            migration_policy='on-demand',
        )
        self._settle(volume)

    def migrate(self):
        volume = self._some(without_snapshots=True)
        shown = api.get(self._cloud, f'/volumes/{volume.id}')['volume']
        if shown['volume_type'] != ANYWHERE:
            self._act(
                volume,
                'os-retype',
                new_type=ANYWHERE,
                migration_policy='never',
            )
            self._settle(volume)
        volume.backend = self._other(volume)
        host = api.host(self._cloud, volume.backend)
        self._act(volume, 'os-migrate_volume', host=host)
        api.wait_for_migration(self._cloud, volume.id)

    def back_up(self):
        """And restore it to a new volume: only what differs is copied."""
        volume = self._some()
        body = {'backup': {'volume_id': volume.id}}
        backup = api.act(self._cloud, '/backups', body)['backup']['id']
        api.wait(self._cloud, f'/backups/{backup}')
        path = f'/backups/{backup}/restore'
        told = api.act(self._cloud, path, {'restore': {}})
        created = told['restore']['volume_id']
        api.wait(self._cloud, f'/backups/{backup}')
        api.wait(self._cloud, f'/volumes/{created}')
        self._add(created, 'upstream', volume.content, volume.size_gib)
        api.delete(self._cloud, f'/backups/{backup}')

    def manage(self):
        volume = self._some(without_snapshots=True)
        host = api.host(self._cloud, volume.backend)
        self._act(volume, 'os-unmanage')
        api.wait_until_gone(self._cloud, f'/volumes/{volume.id}')
        body = {
            'volume': {
                'host': host,
                'ref': {'source-name': f'volume-{volume.id}'},
                'volume_type': volume.backend,
            }
        }
        told = api.act(self._cloud, '/manageable_volumes', body)
        volume.id = told['volume']['id']
        self._settle(volume)

    def transfer(self):
        """To another project, and back."""
        volume = self._some(without_snapshots=True)
        for giver, taker in (
            (self._cloud, self._demo),
            (self._demo, self._cloud),
        ):
            body = {'transfer': {'volume_id': volume.id}}
            told = api.act(giver, '/volume-transfers', body)['transfer']
            api.act(
                taker,
                f'/volume-transfers/{told["id"]}/accept',
                {'accept': {'auth_key': told['auth_key']}},
            )
            api.wait(taker, f'/volumes/{volume.id}')

    def delete(self, kept=VOLUMES):
        count = max(len(self.volumes) - kept, 0)
        for volume in self._random.sample(self.volumes, count):
            api.delete(self._cloud, f'/volumes/{volume.id}?cascade=True')
            assert not self._pools[volume.backend].holds(volume.id)
            self.volumes.remove(volume)

    def _some(self, without_snapshots=False):
        found = [
            volume
            for volume in self.volumes
            if not (without_snapshots and volume.snapshots)
        ]
        return self._random.choice(found) if found else self.create()

    def _some_snapshot(self):
        found = [
            (volume, snapshot)
            for volume in self.volumes
            for snapshot in volume.snapshots
        ]
        return self._random.choice(found) if found else self.snapshot()

    def _add(self, created, backend, content, size_gib):
        volume = Volume(created, backend, content.rstrip(b'\0'), size_gib)
        self.volumes.append(volume)
        return volume

    def _other(self, volume):
        (other,) = POOLS.keys() - {volume.backend}
        return other

    def _act(self, volume, action, **arguments):
        path = f'/volumes/{volume.id}/action'
        api.act(self._cloud, path, {action: arguments})

    def _settle(self, volume):
        api.wait(self._cloud, f'/volumes/{volume.id}')

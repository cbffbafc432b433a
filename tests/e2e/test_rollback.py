# SPDX-License-Identifier: Apache-2.0
"""Back to upstream's driver: our volumes are ordinary ones there."""

import os
import subprocess

import pytest

from tests.e2e.bases import bases, cow_options, packed
from tests.e2e.test_leftovers import contents

GIB = 2**30
UPSTREAM = """\
[cow]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
"""
CONNECTOR = {'host': 'sandbox', 'ip': '127.0.0.1', 'initiator': 'iqn.x'}


@pytest.fixture(scope='module', autouse=True)
def _ours(stack):
    stack.restart_cinder_volume(cow_options(stack))
    yield
    stack.restart_cinder_volume()


def sweep(stack):
    """As an operator does it after the way back: the section is named."""
    folder = stack.folder / 'cinder'
    files = [folder / 'cinder.conf', folder / 'cinder-volume.conf']
    subprocess.run(
        [
            *('cinder-cow', 'base', 'sweep', '--max-idle-seconds', '0'),
            *(f'--config-file={each}' for each in files),
            '--backend=cow',
        ],
        check=True,
        env=os.environ | stack.env(),
    )


def remove(stack, base):
    """As an operator does it without the package."""
    environment = os.environ | {'CEPH_CONF': str(stack.clusters[0].conf)}
    for words in (
        ['snap', 'rm', f'volumes/{base}@base'],
        ['rm', f'volumes/{base}'],
    ):
        subprocess.run(
            ['rbd', '--no-progress', *words], check=True, env=environment
        )


def settled(tidy, volume):
    tidy.wait(volume, 'available')
    return volume


def attached_name(cloud, volume):
    """The RBD image that a hypervisor would be given."""
    action = {'os-initialize_connection': {'connector': CONNECTOR}}
    answer = cloud.connection.block_storage.post(
        f'/volumes/{volume}/action', json=action
    )
    return answer.json()['connection_info']['data']['name']


def test_volumes_of_ours_live_on_under_upstreams_driver(
    stack, cloud, tidy, pool, tmp_path
):
    before = contents(stack, 'volumes')
    block_storage = cloud.connection.block_storage
    disk = packed(tmp_path, 'qcow2')
    raw = tidy.image(disk.head)
    qcow2 = tidy.image(disk.file, disk_format='qcow2')
    distant = tidy.image(disk.head, store='disk')
    images = (raw, qcow2, distant)
    volumes = [tidy.volume('cow', image) for image in images]
    of_both = bases(pool)
    assert len(of_both) == 2

    stack.restart_cinder_volume(UPSTREAM)

    for volume in volumes:
        assert attached_name(cloud, volume) == f'volumes/volume-{volume}'
        block_storage.extend_volume(volume, 2)
        assert pool.size(settled(tidy, volume)) == 2 * GIB
        snapshot = block_storage.create_snapshot(volume_id=volume)
        block_storage.wait_for_status(snapshot, 'available', interval=0.1)
        # Not of the volume itself: what upstream's driver leaves then, a
        # volume-....deleted, is a child of the base for ever.
        copy = block_storage.create_volume(size=2, snapshot_id=snapshot.id).id
        settled(tidy, copy)
        assert pool.read(copy, len(disk.head)) == disk.head
        cloud.delete_volume(copy)
        block_storage.delete_snapshot(snapshot)
        block_storage.wait_for_delete(snapshot, interval=0.1)
    # Upstream's driver knows no bases: a volume is its own copy again.
    copied = tidy.volume('cow', qcow2)
    assert pool.parent(copied) is None
    assert pool.read(copied, len(disk.head)) == disk.head

    tidy.delete()

    assert bases(pool) == of_both
    remove(stack, of_both[0])
    sweep(stack)
    # What an earlier test had deleted may have gone since.
    assert contents(stack, 'volumes') <= before

# SPDX-License-Identifier: Apache-2.0
"""Where the bytes of a base lie while it is made."""

import dataclasses
import json
import subprocess
import uuid

import pytest

from cinder_cow import errors
from tests.ceph.bases import CONTENT, filled


def test_image_in_this_cluster_is_cloned_to_a_scratch(either_lab, store):
    image = dataclasses.replace(either_lab.image(CONTENT), disk_format='qcow2')
    named = either_lab.image(CONTENT, name=image.image_id, pool='gold')
    elsewhere = f'rbd://{uuid.uuid4()}/images/{image.image_id}/snap'
    by_hand = f'rbd://{either_lab.fsid}/images/volume-1/snap'
    ours = f'rbd://{either_lab.fsid}/volumes/{image.image_id}/snap'
    missing = f'rbd://{either_lab.fsid}/nowhere/{image.image_id}/snap'
    bad = ('file:///a', elsewhere, by_hand, ours, missing)

    def cloned(*urls):
        given = dataclasses.replace(image, locations=urls)
        return store.clone_to_scratch(given, 'cow-scratch-1')

    assert not cloned(*bad)
    assert not cloned()
    assert either_lab.names() == []
    for good in (image, named):
        assert cloned(*bad, *good.locations)
        with either_lab.opened('cow-scratch-1') as scratch:
            pool = 'images' if good is image else 'gold'
            assert scratch.get_parent_image_spec()['pool_name'] == pool
        store.discard('cow-scratch-1')
    assert either_lab.leftovers() == []


def test_scratch_is_read(either_lab, store):
    store.clone_to_scratch(
        either_lab.image(CONTENT + b'tail'), 'cow-scratch-1'
    )

    with store.read('cow-scratch-1') as content:
        assert content.size_bytes == len(CONTENT) + 4
        assert content.read_at(2, 4) == CONTENT[2:6]
        assert content.read_at(len(CONTENT), 100) == b'tail'
        assert content.read_at(len(CONTENT) + 4, 100) == b''
        content.close()


def test_reading_what_is_not_there_fails(store, name):
    with pytest.raises(errors.StorageError):
        store.read(name)


def qemu_reads(device):
    options = ','.join(
        f'{key}={value.replace(",", ",,")}'
        for key, value in device.options.items()
    )
    done = subprocess.run(
        ['qemu-img', 'info', '--output=json', '--image-opts', options],
        env={'PATH': '/usr/bin:/bin', **device.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)['virtual-size']


def test_scratch_copies_nothing_and_leaves_nothing(either_lab, store):
    image = either_lab.image(CONTENT)

    assert store.clone_to_scratch(image, 'cow-scratch-1')
    assert either_lab.data_objects() == []
    with pytest.raises(errors.VolumeExists):
        store.clone_to_scratch(image, 'cow-scratch-1')
    store.discard('cow-scratch-1')
    assert store.clone_to_scratch(image, 'cow-scratch-1')
    store.discard('cow-scratch-1')
    either_lab.remove(image.image_id, 'images')
    with pytest.raises(errors.StorageError):  # it was there a moment ago
        store.clone_to_scratch(image, 'cow-scratch-1')
    assert not store.clone_to_scratch(image, 'cow-scratch-1')
    assert either_lab.leftovers() == []


def test_qemu_opens_it(either_lab, store, name):
    filled(store, name)
    store.clone_to_scratch(either_lab.image(CONTENT * 2), 'cow-scratch-1')

    device = store.block_device(name)

    assert qemu_reads(device) == len(CONTENT)
    assert qemu_reads(store.block_device('cow-scratch-1')) == 2 * len(CONTENT)
    assert device.environment == {}


def test_qemu_opens_it_where_the_cluster_has_another_name(lab, name):
    filled(lab.backend().bases(), name)
    folder = lab.cluster.folder
    keyring = folder / 'east.client.cinder.keyring'
    keyring.write_text((folder / 'ceph.client.cinder.keyring').read_text())
    conf = (folder / 'ceph.conf').read_text()
    east = folder / 'east.conf'
    east.write_text(conf.replace('$cluster', 'east'))
    store = lab.backend(cluster_name='east', conf_path=str(east)).bases()

    device = store.block_device(name)

    assert set(device.environment) == {'CEPH_KEYRING'}
    assert qemu_reads(device) == len(CONTENT)

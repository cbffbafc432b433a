# SPDX-License-Identifier: Apache-2.0
"""A pool as version 1.0 wrote it: later code finds in it what is there.

All that is written here is literal, in the form that `rados listomapvals` has
shown of such a pool. It does not follow the code. Where a test fails, the code
does not know its own bases any more, and has to learn to read them.
"""

import json
import os

import pytest
import rados
import rbd

from cinder_cow.backends import base_names
from cinder_cow.backends.base_store import BuildRecord
from cinder_cow.base_images.warm_records import (
    UsedImage,
    WarmRecord,
    WarmRecords,
    WarmStage,
    Watermark,
)
from cinder_cow.model import BaseInfo, ImageInfo, Verification
from tests.ceph.test_command import listed

MIB = 2**20
CONTENT = os.urandom(2 * MIB) + bytes(MIB) + os.urandom(MIB)
#: Cinder's objects have 4 MiB.
ORDER = 22
IMAGE_ID = '0b1a9c66-5f0c-4f3a-9c55-1f3f2e0e7d11'
OTHER_ID = '5e1c2f0a-9d3b-4a57-8f5a-77f0c1f1a2b3'
HASH = 'f3a9' * 32
PROJECT = '9efe9454d56a47acaefa31a4f6dac372'
SHARED = f'cow-base-qcow2-sha512-{HASH}'
#: Of an image that has only an MD5 checksum.
UNSHARED = f'cow-base-raw-image-{OTHER_ID}-d41d8cd98f00b204e9800998ecf8427e'
#: Evicted while it had volumes.
RETIRED = 'cow-retired-7c6d2b8e-1f54-4c3e-9b57-2b8f0f9f7a10'
#: Of a killed builder, and its own bytes.
UNFINISHED = f'cow-base-vmdk-sha256-{"0c4d" * 16}'
SCRATCH = f'cow-scratch-vmdk-sha256-{"0c4d" * 16}'
#: In the object cow_bases. RBD chooses the id, which stands for RBD_ID.
RECORDS = {
    f'{SHARED}/info': (
        f'{{"image_id": "{IMAGE_ID}", "disk_format": "qcow2",'
        f' "hash_algo": "sha512", "hash_value": "{HASH}", "source": "glance",'
        ' "verification": "hash", "signature_verified": false,'
        ' "stored_bytes": 3145728, "seconds": 1.25, "created": 1764432000.5,'
        f' "version": "1.0.0", "owner": "{PROJECT}", "warmed": false,'
        ' "rbd_id": "RBD_ID"}'
    ),
    f'{SHARED}/last_used': '1764435600',
    f'{SHARED}/image/{IMAGE_ID}': '1764432001',
    f'{SHARED}/image/{OTHER_ID}': '1764435600',
    f'{UNSHARED}/info': (
        f'{{"image_id": "{OTHER_ID}", "disk_format": "raw",'
        ' "hash_algo": null, "hash_value": null, "source": "http",'
        ' "verification": "checksum", "signature_verified": false,'
        ' "stored_bytes": 3145728, "seconds": 0.5, "created": 1764432100.0,'
        ' "version": "1.0.0", "owner": null, "warmed": true,'
        ' "rbd_id": "RBD_ID"}'
    ),
    f'{UNSHARED}/last_used': '1764432100',
    f'{UNSHARED}/image/{OTHER_ID}': '1764432100',
}
#: In the object cow_builds.
BUILDS = {
    UNFINISHED: (
        '{"failures": 2, "kind": "ConversionFailed", "cause": "qemu-img'
        ' ended", "final": false, "written": 1764432200.25,'
        f' "image_id": "{IMAGE_ID}", "failures_by_host": {{"node-1": 2}},'
        ' "virtual_bytes": 1073741824, "reserved_bytes": 0,'
        f' "owner": "{PROJECT}"}}'
    )
}
#: In the object cow_warm.
NOTES = {
    'watermark': (
        '{"policy": "public", "updated_at": "2025-11-29T16:00:00Z",'
        ' "seen": 1764432300.0}'
    ),
    f'image/{IMAGE_ID}': (
        f'{{"image_id": "{IMAGE_ID}", "image_name": "debian",'
        ' "updated_at": "2025-11-29T16:00:00Z", "stage": "done", "why": "",'
        f' "base": "{SHARED}", "tries": 1, "written": 1764432310.0}}'
    ),
    f'used/{OTHER_ID}': (
        f'{{"name": "debian", "owner": "{PROJECT}",'
        ' "last_used": 1764435600.0}'
    ),
}
INFO = BaseInfo(
    image_id=IMAGE_ID,
    disk_format='qcow2',
    hash_algo='sha512',
    hash_value=HASH,
    source='glance',
    verification=Verification.HASH,
    signature_verified=False,
    stored_bytes=3 * MIB,
    seconds=1.25,
    created=1764432000.5,
    version='1.0.0',
    owner=PROJECT,
    warmed=False,
)


def write_base(lab, name):
    """Clones of format 1 need a protected snapshot."""
    lab.image(
        CONTENT,
        pool='volumes',
        name=name,
        snapshot='base',
        protect=lab.cluster.clone_format == 1,
        order=ORDER,
    )
    with lab.opened(name) as image:
        return image.id()


def write_omap(lab, name, values):
    with (
        lab.rados.open_ioctx('volumes') as ioctx,
        rados.WriteOpCtx() as operation,
    ):
        texts = tuple(value.encode() for value in values.values())
        ioctx.set_omap(operation, tuple(values), texts)
        ioctx.operate_write_op(operation, name)


@pytest.fixture
def kept(either_lab):
    """The pool of a host that ran version 1.0."""
    for name in (SHARED, UNSHARED):
        rbd_id = write_base(either_lab, name)
        records = {
            key: value.replace('RBD_ID', rbd_id)
            for key, value in RECORDS.items()
            if key.startswith(f'{name}/')
        }
        write_omap(either_lab, 'cow_bases', records)
    write_base(either_lab, RETIRED)
    with either_lab.rados.open_ioctx('volumes') as ioctx:
        for name in (UNFINISHED, SCRATCH):
            rbd.RBD().create(ioctx, name, len(CONTENT), ORDER, False)
    write_omap(either_lab, 'cow_builds', BUILDS)
    write_omap(either_lab, 'cow_warm', NOTES)
    return either_lab


def image(image_id, disk_format, **more):
    return ImageInfo(
        image_id, 'active', disk_format, 'bare', len(CONTENT), (), **more
    )


@pytest.mark.parametrize(
    ('name', 'described'),
    [
        (
            SHARED,
            image(IMAGE_ID, 'qcow2', hash_algo='sha512', hash_value=HASH),
        ),
        (
            UNSHARED,
            image(OTHER_ID, 'raw', checksum=UNSHARED.rpartition('-')[2]),
        ),
    ],
    ids=['shared', 'unshared'],
)
def test_an_image_leads_to_its_base_which_is_cloned(
    kept, store, name, described
):
    assert base_names.base_name(described) == name

    base = store.find(name)
    store.clone(base, 'volume-1')

    assert kept.stored()['volume-1'] == CONTENT
    with kept.opened('volume-1') as volume:
        parent = volume.get_parent_image_spec()
        assert list(volume.metadata_list()) == []
    assert (parent['image_name'], parent['snap_name']) == (name, 'base')


def test_what_was_known_of_each_base_is_known(kept, store, run):
    assert store.find(SHARED).info == INFO
    assert store.find(UNSHARED).info.verification is Verification.CHECKSUM
    found = {each.name: each for each in store.stored_bases()}
    assert found[SHARED].last_used == 1764435600
    assert found[SHARED].image_ids == {IMAGE_ID, OTHER_ID}

    shown = listed(run)

    assert set(shown) == {SHARED, UNSHARED}
    assert sorted(shown[SHARED]['Image IDs']) == [IMAGE_ID, OTHER_ID]


def test_what_was_noted_of_builds_and_of_warming_is_known(kept, store):
    assert store.build_record(UNFINISHED) == BuildRecord(
        **json.loads(BUILDS[UNFINISHED])
    )
    assert sorted(store.abandoned()) == [UNFINISHED, SCRATCH]

    notes = WarmRecords(store)

    assert notes.watermark == Watermark(
        'public', '2025-11-29T16:00:00Z', 1764432300
    )
    assert notes.images[IMAGE_ID] == WarmRecord(
        IMAGE_ID,
        'debian',
        '2025-11-29T16:00:00Z',
        WarmStage.DONE,
        base=SHARED,
        tries=1,
        written=1764432310,
    )
    assert notes.used == {OTHER_ID: UsedImage('debian', PROJECT, 1764435600)}


def test_what_no_volume_needs_is_evicted(kept, store, run):
    store.clone(store.find(SHARED), 'volume-1')

    status, _out, err = run('sweep', '--max-idle-seconds', '0')

    assert status == 0, err
    assert sorted(kept.names()) == [SHARED, 'volume-1']
    kept.remove('volume-1')
    assert run('evict', SHARED)[0] == 0
    assert kept.names() == []
    # What was warmed is remembered.
    assert kept.leftovers() == ['cow_warm']

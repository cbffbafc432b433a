# SPDX-License-Identifier: Apache-2.0
import concurrent.futures
import dataclasses
import os
import signal
import time

import pytest
import rbd

from cinder_cow.model import Target
from cinder_cow.planning import plan
from tests.ceph.lab import MIB
from tests.fakes.request import run

CONTENT = b'D0D-' * MIB  # 4 MiB


def make(lab, image, size_bytes, backend=None, name='volume-1'):
    """The volume, by the way that the driver goes."""
    backend = backend or lab.backend()
    target = Target(name.removeprefix('volume-'), name, size_bytes)
    chosen = plan.choose(image, target, backend.cloneable(image))
    return run(chosen, image, target, backend)


def test_volume_is_a_clone_of_glances_snapshot(either_lab):
    image = either_lab.image(CONTENT)

    make(either_lab, image, len(CONTENT))

    with either_lab.opened('volume-1') as volume:
        parent = volume.get_parent_image_spec()
    assert parent['pool_name'] == 'images'
    assert parent['image_name'] == image.image_id
    assert parent['snap_name'] == 'snap'


def test_volume_reads_as_the_image_and_zeros_beyond(either_lab):
    image = either_lab.image(CONTENT)

    make(either_lab, image, 6 * MIB)

    grown = CONTENT + bytes(2 * MIB)
    assert either_lab.stored() == {'volume-1': grown}


def test_volume_uses_no_space_of_its_own(either_lab):
    make(either_lab, either_lab.image(CONTENT), 6 * MIB)

    assert either_lab.data_objects() == []


def test_writing_to_the_volume_leaves_the_image_alone(either_lab):
    image = either_lab.image(CONTENT)
    make(either_lab, image, len(CONTENT))

    with (
        either_lab.rados.open_ioctx('volumes') as ioctx,
        rbd.Image(ioctx, 'volume-1') as volume,
    ):
        volume.write(b'x' * 512, 0)

    assert either_lab.stored('images') == {image.image_id: CONTENT}
    assert either_lab.stored()['volume-1'] == b'x' * 512 + CONTENT[512:]


@pytest.mark.parametrize(
    ('image_order', 'object_bytes', 'order'),
    [(23, 4 * MIB, 23), (22, 4 * MIB, 22), (20, 4 * MIB, 22)],
)
def test_order_is_the_larger_of_the_images_and_cinders(
    lab, image_order, object_bytes, order
):
    image = lab.image(CONTENT, order=image_order)

    make(lab, image, 6 * MIB, lab.backend(object_bytes=object_bytes))

    with lab.opened('volume-1') as volume:
        assert volume.stat()['order'] == order
    assert lab.stored() == {'volume-1': CONTENT + bytes(2 * MIB)}


def test_features_are_those_that_ceph_conf_asks_for(lab, tmp_path):
    asked = rbd.RBD_FEATURE_LAYERING | rbd.RBD_FEATURE_EXCLUSIVE_LOCK
    assert asked != int(lab.rados.conf_get('rbd_default_features'))
    conf = tmp_path / 'ceph.conf'
    conf.write_text(
        f'{lab.cluster.conf.read_text()}\n'
        f'[client]\nrbd_default_features = {asked}\n'
    )

    make(
        lab, lab.image(CONTENT), len(CONTENT), lab.backend(conf_path=str(conf))
    )

    with lab.opened('volume-1') as volume:
        assert volume.features() & ~rbd.RBD_FEATURE_OPERATIONS == asked


def test_iso_is_cloned_too(lab):
    image = dataclasses.replace(lab.image(CONTENT), disk_format='iso')

    result = make(lab, image, len(CONTENT))

    assert result.parent.image == image.image_id


def test_sixteen_at_once_from_one_image(either_lab):
    image = either_lab.image(CONTENT)
    backend = either_lab.backend()
    names = [f'volume-{number}' for number in range(16)]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(
            pool.map(
                lambda name: make(either_lab, image, 5 * MIB, backend, name),
                names,
            )
        )

    volume = CONTENT + bytes(MIB)
    assert either_lab.stored() == dict.fromkeys(names, volume)
    assert either_lab.data_objects() == []


def test_a_clone_waits_for_no_other(lab, old_lab):
    """One blocks in librbd, as its cluster's OSD is stopped."""
    stuck, free = lab.image(CONTENT), old_lab.image(CONTENT)
    osd = lab.cluster.pid('osd')
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        os.kill(osd, signal.SIGSTOP)
        try:
            blocked = pool.submit(make, lab, stuck, len(CONTENT))
            time.sleep(0.5)
            pool.submit(make, old_lab, free, len(CONTENT)).result(60)
            assert not blocked.done()
        finally:
            os.kill(osd, signal.SIGCONT)
        blocked.result(60)

    assert lab.names() == old_lab.names() == ['volume-1']

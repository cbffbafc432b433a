# SPDX-License-Identifier: Apache-2.0
"""A volume of a base can be mirrored once it depends on it no more."""

import pytest
import rbd

from tests.ceph.bases import CONTENT, built, opened
from tests.mirrors import MIRRORED_SECONDS, daemon, make_peers, mirroring
from tests.waiting import wait_until


@pytest.fixture
def mirroring_lab(either_lab):
    with mirroring(either_lab.rados):
        yield either_lab


@pytest.mark.parametrize(
    'mode',
    [rbd.RBD_MIRROR_IMAGE_MODE_JOURNAL, rbd.RBD_MIRROR_IMAGE_MODE_SNAPSHOT],
    ids=['journal', 'snapshot'],
)
def test_clone_of_a_base_is_mirrored_once_it_is_flattened(
    mirroring_lab, store, name, mode
):
    store.clone(built(store, name), 'volume-1')
    with opened(mirroring_lab, 'volume-1') as image:
        if mode == rbd.RBD_MIRROR_IMAGE_MODE_JOURNAL:
            image.update_features(rbd.RBD_FEATURE_JOURNALING, True)
        with pytest.raises(rbd.InvalidArgument):
            image.mirror_image_enable(mode)

    mirroring_lab.backend().flatten('volume-1')

    with opened(mirroring_lab, 'volume-1') as image:
        image.mirror_image_enable(mode)
        state = image.mirror_image_get_info()['state']
        assert state == rbd.RBD_MIRROR_IMAGE_ENABLED
    assert mirroring_lab.stored()['volume-1'] == CONTENT
    assert not store.has_children(name)


@pytest.fixture
def mirror(lab, old_lab, tmp_path):
    """A daemon that mirrors the volumes of the first cluster to the second."""
    with mirroring(lab.rados), mirroring(old_lab.rados):
        make_peers(lab.conf, old_lab.conf, tmp_path / 'token')
        with daemon(old_lab.conf) as running:
            yield running


def wait_until_mirrored(condition):
    wait_until(condition, MIRRORED_SECONDS, pause_seconds=0.5)


def test_volume_of_a_base_arrives_in_the_other_cluster(
    lab, old_lab, mirror, name
):
    store = lab.backend().bases()
    store.clone(built(store, name), 'volume-1')
    lab.backend().flatten('volume-1')
    with opened(lab, 'volume-1') as image:
        image.mirror_image_enable(rbd.RBD_MIRROR_IMAGE_MODE_SNAPSHOT)

    wait_until_mirrored(lambda: old_lab.stored().get('volume-1') == CONTENT)

    assert mirror.poll() is None
    with opened(lab, 'volume-1') as image:
        image.mirror_image_disable(False)
    wait_until_mirrored(lambda: 'volume-1' not in old_lab.names())

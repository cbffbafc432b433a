# SPDX-License-Identifier: Apache-2.0
"""A volume of a base can be mirrored once it depends on it no more."""

import contextlib

import pytest
import rbd

from tests.ceph.bases import CONTENT, built, opened


@pytest.fixture
def mirroring_lab(either_lab):
    """The pool of the volumes mirrors the images that are told to."""
    with either_lab.rados.open_ioctx('volumes') as ioctx:
        rbd.RBD().mirror_mode_set(ioctx, rbd.RBD_MIRROR_MODE_IMAGE)
        yield either_lab
        for name in rbd.RBD().list(ioctx):
            with (
                contextlib.suppress(rbd.InvalidArgument),
                rbd.Image(ioctx, name) as image,
            ):
                image.mirror_image_disable(True)
        rbd.RBD().mirror_mode_set(ioctx, rbd.RBD_MIRROR_MODE_DISABLED)


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

# SPDX-License-Identifier: Apache-2.0
"""A volume of a base can be mirrored once it depends on it no more."""

import contextlib
import os
import subprocess

import pytest
import rbd

from tests.ceph.bases import CONTENT, built, opened
from tests.waiting import wait_until

#: For the daemon to see an image, copy it, and to forget it again.
MIRRORED_SECONDS = 240


@contextlib.contextmanager
def mirroring(lab):
    """The pool of the volumes mirrors the images that are told to."""
    with lab.rados.open_ioctx('volumes') as ioctx:
        rbd.RBD().mirror_mode_set(ioctx, rbd.RBD_MIRROR_MODE_IMAGE)
        yield
        for name in rbd.RBD().list(ioctx):
            with (
                contextlib.suppress(rbd.InvalidArgument),
                rbd.Image(ioctx, name) as image,
            ):
                image.mirror_image_disable(True)
        for peer in rbd.RBD().mirror_peer_list(ioctx):
            rbd.RBD().mirror_peer_remove(ioctx, peer['uuid'])
        rbd.RBD().mirror_mode_set(ioctx, rbd.RBD_MIRROR_MODE_DISABLED)


@pytest.fixture
def mirroring_lab(either_lab):
    with mirroring(either_lab):
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


def run_rbd(lab, *arguments):
    """What the command answers, as client.admin."""
    done = subprocess.run(
        ['rbd', '-c', lab.conf, *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout


@pytest.fixture
def mirror(lab, old_lab, tmp_path):
    """A daemon that mirrors the volumes of the first cluster to the second."""
    with mirroring(lab), mirroring(old_lab):
        peer = ('mirror', 'pool', 'peer', 'bootstrap')
        token = tmp_path / 'token'
        token.write_text(
            run_rbd(lab, *peer, 'create', '--site-name', 'first', 'volumes')
        )
        run_rbd(
            old_lab,
            *(*peer, 'import', '--site-name', 'second'),
            *('--direction', 'rx-only', 'volumes', str(token)),
        )
        with running_daemon(old_lab) as daemon:
            yield daemon


@contextlib.contextmanager
def running_daemon(lab):
    daemon = subprocess.Popen(
        ['rbd-mirror', '-f', '--id', 'admin'],
        # Its threads look there, whatever -c says.
        env=os.environ | {'CEPH_CONF': lab.conf},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield daemon
    finally:
        daemon.terminate()
        try:
            daemon.wait(60)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


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

# SPDX-License-Identifier: Apache-2.0
"""Images of one real cluster that Ceph copies to another."""

import contextlib
import os
import subprocess

import rbd

#: For the daemon to see an image, copy it, and to forget it again.
MIRRORED_SECONDS = 240
#: The daemon looks each second for what it looks for in half a minute.
OFTEN = (
    *('--rbd-mirror-pool-replayers-refresh-interval', '1'),
    *('--rbd-mirror-image-state-check-interval', '1'),
    *('--rbd-mirror-journal-poll-age', '1'),
    *('--rbd-mirror-journal-commit-age', '1'),
    *('--rbd-mirror-delete-retry-interval', '1'),
)


@contextlib.contextmanager
def mirroring(cluster, pool='volumes'):
    """The images of the pool that are told to are mirrored meanwhile.

    :param cluster: a connected rados.Rados.
    """
    with cluster.open_ioctx(pool) as ioctx:
        rbd.RBD().mirror_mode_set(ioctx, rbd.RBD_MIRROR_MODE_IMAGE)
        try:
            yield
        finally:
            _stop_mirroring(ioctx)


def _stop_mirroring(ioctx):
    for name in rbd.RBD().list(ioctx):
        with (
            contextlib.suppress(rbd.InvalidArgument),
            rbd.Image(ioctx, name) as image,
        ):
            image.mirror_image_disable(True)
    for peer in rbd.RBD().mirror_peer_list(ioctx):
        rbd.RBD().mirror_peer_remove(ioctx, peer['uuid'])
    rbd.RBD().mirror_mode_set(ioctx, rbd.RBD_MIRROR_MODE_DISABLED)


def make_peers(first, second, token, pool='volumes', both_ways=False):
    """The second cluster may copy the first's images of the pool.

    :param first: of its ceph.conf, the path.
    :param second: likewise.
    :param token: a file that is written.
    :param both_ways: the first may copy the second's, too.
    """
    peer = ('mirror', 'pool', 'peer', 'bootstrap')
    token.write_text(
        _rbd(first, *peer, 'create', '--site-name', 'first', pool)
    )
    direction = 'rx-tx' if both_ways else 'rx-only'
    _rbd(
        second,
        *(*peer, 'import', '--site-name', 'second'),
        *('--direction', direction, pool, str(token)),
    )


def _rbd(conf, *arguments):
    """What the command answers, as client.admin."""
    done = subprocess.run(
        ['rbd', '-c', conf, *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout


@contextlib.contextmanager
def daemon(conf):
    """rbd-mirror of that cluster, which copies what its peers mirror."""
    running = subprocess.Popen(
        ['rbd-mirror', '-f', '--id', 'admin', *OFTEN],
        # Its threads look there, whatever -c says.
        env=os.environ | {'CEPH_CONF': str(conf)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(60)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()

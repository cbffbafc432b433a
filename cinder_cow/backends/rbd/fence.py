# SPDX-License-Identifier: Apache-2.0
"""Shuts out the clients that keep an unfinished base from being removed.

An OSD forgets the watch of a client that died after half a minute; but once in
some thirty kills an OSD of Ceph 16.2 never did, and the base could not be
built again. Whoever has the lease does then what librbd does with a client
that died with an image's exclusive lock (rbd_blocklist_on_break_lock): the
monitors shut the client out, and with it all of its watches. The user's caps
`mon 'profile rbd'` allow that.
"""

from oslo_log import log as logging
import rados
import rbd

from cinder_cow import native
from cinder_cow.backends.rbd.pool import Pool

LOG = logging.getLogger(__name__)

#: A client that is shut out has had it open for so long at the least.
STEADY_SECONDS = 5.0


def remove(pool: Pool, name: str, image_id: str | None) -> None:
    """Remove an image on which this process has the lease.

    :param image_id: its own; another of the same name is its maker's. None:
        it is half removed.
    :raises rbd.ImageBusy: when this very client has it open, or the user may
        not shut out the client that has.
    """
    try:
        pool.remove(name)
    except rbd.ImageBusy:
        if not (image_id and _shut_out_others(pool, name, image_id)):
            raise
        pool.remove(name)


def _shut_out_others(pool: Pool, name: str, image_id: str) -> bool:
    """Whether that was done for each other client that keeps it open."""
    own_id = pool.connection.cluster.get_instance_id()
    try:
        watches = _watches(pool, image_id)
        # Who tries to remove it too has it open for a moment only.
        native.sleep(STEADY_SECONDS)
        watches &= _watches(pool, image_id)
    except rbd.ImageNotFound:
        return True
    clients = {client: address for client, address, _cookie in watches}
    if own_id in clients:
        return False
    for address in clients.values():
        LOG.warning(
            '%s is unfinished, and its former builder %s still has it open:'
            ' that client is shut out for an hour (ceph osd blocklist ls)',
            name,
            address,
        )
        try:
            pool.connection.cluster.blocklist_add(address)
        except rados.Error as exc:
            LOG.warning('It could not be shut out: %s', exc)
            return False
    return True


def _watches(pool: Pool, image_id: str) -> set[tuple[int, str, int]]:
    """Client, its address, and what tells its watches apart."""
    with rbd.Image(pool.ioctx, image_id=image_id, read_only=True) as image:
        return {
            (each['id'], each['addr'], each['cookie'])
            for each in image.watchers_list()
        }

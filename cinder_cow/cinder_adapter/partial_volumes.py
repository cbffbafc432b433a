# SPDX-License-Identifier: Apache-2.0
"""Volumes that a killed process was filling: what is there of them goes.

Cinder puts them to `error` at the start of the service. Removing them waits
for up to 30 s until Ceph has forgotten the dead client, so it is done beside
the service, one volume after the other.
"""

import collections
import threading
import time

from cinder import exception, objects
from oslo_log import log as logging

from cinder_cow.cinder_adapter import background

LOG = logging.getLogger(__name__)

#: For Cinder's own change of a volume's status.
SETTLE_LOOKS = 60
SETTLE_PAUSE_SECONDS = 0.5

_queue = collections.deque()
_lock = threading.Lock()
_running = False


def remove_later(context, volume, backend):
    """Remove what there is of the volume, if no user can have written to it.

    A volume that was launched before was being reimaged: it is kept.

    :param backend: answers the backend, when it is needed.
    """
    global _running  # noqa: PLW0603
    if volume.launched_at is not None:
        LOG.info('volume=%s was being reimaged, and is kept', volume.id)
        return
    with _lock:
        _queue.append((context, volume.id, backend))
        if _running:
            return
        _running = True
    background.once('remove partial volumes', _remove_all)


def _remove_all():
    global _running  # noqa: PLW0603
    while True:
        with _lock:
            if not _queue:
                _running = False
                return
            context, volume_id, backend = _queue.popleft()
        _remove(context, volume_id, backend)


def _remove(context, volume_id, backend):
    try:
        volume = _settled(context, volume_id)
        # It may be asked for once more meanwhile.
        if volume.status == 'error' and volume.launched_at is None:
            backend().remove(volume.name)
            LOG.info('volume=%s: its partial data is removed', volume_id)
    except exception.VolumeNotFound:
        return
    except Exception as exc:  # noqa: BLE001  the others are to be removed
        LOG.warning(
            'volume=%s: its partial data could not be removed: %s Delete'
            ' the volume, which tries again.',
            volume_id,
            exc,
        )


def _settled(context, volume_id):
    """The volume, when Cinder has put it to `error`: it does so after us."""
    for _ in range(SETTLE_LOOKS):
        volume = objects.Volume.get_by_id(context, volume_id)
        if volume.status != 'downloading':
            break
        time.sleep(SETTLE_PAUSE_SECONDS)
    return volume

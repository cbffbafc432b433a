# SPDX-License-Identifier: Apache-2.0

"""The periodic task in cinder-volume: bases that nobody needs are removed."""

from collections.abc import Callable, Iterable

from cinder import exception
from cinder.image import glance
from oslo_config import cfg
from oslo_log import log as logging
from oslo_service import loopingcall

from cinder_cow import errors
from cinder_cow.backends.base import ImageBackend
from cinder_cow.base_images.eviction import EvictionLimits
from cinder_cow.base_images.sweep import sweep
from cinder_cow.cinder_adapter import service_user

CONF = cfg.CONF
LOG = logging.getLogger(__name__)


def start(
    interval_seconds: int,
    limits: EvictionLimits,
    backend: Callable[[], ImageBackend],
) -> None:
    """Have it done for as long as this process runs; 0: never.

    :param backend: asked for each time: Cinder may have failed over.
    """
    if interval_seconds:
        loopingcall.FixedIntervalLoopingCall(_once, limits, backend).start(
            interval=interval_seconds, initial_delay=interval_seconds
        )


def _once(limits: EvictionLimits, backend: Callable[[], ImageBackend]) -> None:
    try:
        store = backend().bases()
        if store is not None:
            sweep(store, limits, deleted_images)
    except errors.CowError as exc:
        LOG.warning('Base images could not be looked after: %s', exc)
    except Exception:  # an exception would end the periodic task for ever
        LOG.exception('Base images could not be looked after')


def deleted_images(image_ids: Iterable[str]) -> set[str]:
    """Those that are no more in Glance: none when that cannot be asked.

    The user of the [glance] section sees all images; without it nobody here
    does, and a private image looks like one that was deleted.
    """
    if not service_user.is_configured():
        return set()
    context = service_user.context()
    service = glance.get_default_image_service()
    gone = set()
    for image_id in image_ids:
        try:
            if service.show(context, image_id)['status'] == 'deleted':
                gone.add(image_id)
        except exception.ImageNotFound:
            gone.add(image_id)
    return gone

# SPDX-License-Identifier: Apache-2.0
"""The periodic task in cinder-volume: bases that nobody needs are removed."""

import functools

from oslo_log import log as logging

from cinder_cow import errors
from cinder_cow.base_images.sweep import sweep
from cinder_cow.cinder_adapter import background
from cinder_cow.cinder_adapter.deleted_images import (
    CONFIRM_SECONDS,
    DeletedImages,
)

LOG = logging.getLogger(__name__)


def start(interval_seconds, limits, backend):
    """Have it done for as long as this process runs; 0: never.

    :param backend: asked for each time: Cinder may have failed over.
    """
    # The next sweep may confirm what this one finds missing.
    deleted_images = DeletedImages(min(interval_seconds, CONFIRM_SECONDS))
    if interval_seconds:
        background.every(
            interval_seconds,
            'sweep the base images',
            functools.partial(_once, limits, backend, deleted_images),
        )


def _once(limits, backend, deleted_images):
    try:
        store = backend().bases()
        if store is not None:
            sweep(store, limits, deleted_images)
    except errors.CowError as exc:
        LOG.warning('Could not sweep the base images: %s', exc)

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


def start(interval_seconds, limits, backend, on_swept):
    """Have it done for as long as this process runs; 0: never.

    :param backend: asked for each time: Cinder may have failed over.
    :param on_swept: told the result of each sweep.
    """
    # The next sweep may confirm what this one finds missing.
    deleted_images = DeletedImages(min(interval_seconds, CONFIRM_SECONDS))
    if interval_seconds:
        background.every(
            interval_seconds,
            'sweep the base images',
            functools.partial(
                _once, limits, backend, deleted_images, on_swept
            ),
        )


def _once(limits, backend, deleted_images, on_swept):
    try:
        store = backend().bases()
        if store is not None:
            result = sweep(store, limits, deleted_images)
            if result is not None:  # else another host was doing it
                on_swept(result)
    except errors.CowError as exc:
        LOG.warning('Could not sweep the base images: %s', exc)

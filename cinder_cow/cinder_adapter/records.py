# SPDX-License-Identifier: Apache-2.0
"""What is logged of a volume, and recorded in Cinder's database."""

from typing import Any

from cinder.db import api as db
from oslo_config import cfg
from oslo_log import log as logging

from cinder_cow import log_line
from cinder_cow.backends.base import CheckResult
from cinder_cow.copying import Progress
from cinder_cow.model import ImageInfo, Method, Result, Verdict, Verification

CONF = cfg.CONF
LOG = logging.getLogger(__name__)


def downloading(volume: Any) -> None:
    """As Cinder's own path does while bytes flow.

    Clients see it, and after a crash Cinder calls ``clear_download``. Not
    for a volume that is reimaged: its status is Cinder's.
    """
    if volume.status == 'creating':
        volume.update({'status': 'downloading'})
        volume.save()


def signature(context: Any, volume: Any, verified: bool) -> None:
    """As Cinder's own path does of an image that it has downloaded."""
    if CONF.verify_glance_signatures != 'disabled':
        db.volume_glance_metadata_bulk_create(
            context, volume.id, {'signature_verified': verified}
        )


def progress(volume: Any, image_id: str, so_far: Progress) -> None:
    """A line while a copy goes on."""
    done, whole = so_far.bytes_done, so_far.size_bytes
    LOG.info(
        'volume=%s image=%s copying: %s, %.0f MB/s',
        volume.id,
        image_id,
        f'{100 * done // whole} %' if whole else f'{done} bytes',
        done / 1e6 / max(so_far.seconds, 1e-3),
    )


def report(result: Result) -> None:
    """The one INFO line of a volume."""
    LOG.info('%s', log_line.format_result(result))


def reimaged_by_cinder(volume: Any, image_id: str) -> Result:
    """The result where the content was replaced by Cinder's own path."""
    return Result(
        volume.id, image_id, Method.DELEGATE, 'reimage', Verification.DELEGATED
    )


def warn(volume: Any, image: ImageInfo, verdict: Verdict) -> None:
    """A WARNING for each likely mistake that keeps an image from a clone."""
    if verdict:
        return
    for refusal in verdict.refusals:
        if refusal.misconfigured:
            LOG.warning(
                'volume=%s image=%s cannot be cloned where it lies (%s): %s',
                volume.id,
                image.image_id,
                refusal.code.value,
                refusal,
            )


def check_result(found: CheckResult) -> None:
    """One line of the self-test."""
    log = LOG.warning if found.ok is False else LOG.info
    log('self-test: %s', found)

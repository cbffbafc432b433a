# SPDX-License-Identifier: Apache-2.0
"""Which failures of a build count for whom. Pure, but for the clock.

What is wrong with the image itself is wrong for all who wait for its base:
they get the cause at once. What a host, a user or a moment suffers is nobody
else's: the next one tries with its own means, within bounds. And all of it
counts only for volumes of the same Glance image: another image that shares
the base may hold other bytes than its hash says.
"""

import dataclasses
import time

from cinder_cow import errors
from cinder_cow.backends.base_store import BuildRecord
from cinder_cow.model import ImageInfo

#: Nothing has failed: this host, or this request, has ended.
INTERRUPTED = (errors.CopyCancelled, errors.ConversionInterrupted)
#: While a volume waits: more tries of one host would fail of the same.
MOST_FAILURES_PER_HOST = 2
#: By all hosts: with many of them each may come to its first try.
MOST_FAILURES = 6


def started(image: ImageInfo, record: BuildRecord) -> BuildRecord:
    """The record of a build that begins.

    :param record: of the tries before.
    """
    if record.image_id != image.image_id:
        record = BuildRecord()
    return BuildRecord(
        record.failures,
        written=time.time(),
        image_id=image.image_id,
        failures_by_host=record.failures_by_host,
        virtual_bytes=record.virtual_bytes,
    )


def failed(
    image: ImageInfo, record: BuildRecord, exc: errors.CowError, host: str
) -> BuildRecord:
    """The record of a build that failed.

    It stays until a sweep has looked after what may be left.

    :param record: of the tries before.
    """
    same = started(image, record)
    if isinstance(exc, INTERRUPTED):
        return same
    if isinstance(exc, errors.ImageTooBig):  # for this volume, not for others
        return dataclasses.replace(
            same,
            kind=type(exc).__name__,
            cause=str(exc),
            virtual_bytes=max(exc.image_bytes, same.virtual_bytes),
        )
    counts = dict(same.failures_by_host)
    counts[host] = counts.get(host, 0) + 1
    return dataclasses.replace(
        same,
        failures=same.failures + 1,
        kind=type(exc).__name__,
        cause=_cause(exc),
        final=_is_of_the_image(exc, record),
        failures_by_host=counts,
    )


def require_fit(
    image: ImageInfo, record: BuildRecord, volume_bytes: int
) -> None:
    """See that the disk fits, if its size is known by an earlier try.

    :raises ImageTooBig: when it does not.
    """
    is_known = record.image_id == image.image_id
    if is_known and record.virtual_bytes > volume_bytes:
        raise errors.ImageTooBig(
            image.image_id, record.virtual_bytes, volume_bytes
        )


def require_hope(
    image: ImageInfo, record: BuildRecord, before: BuildRecord, host: str
) -> None:
    """See that another try on this host makes sense.

    :param before: the record when the volume was asked for: it waited for no
        earlier build.
    :raises BuildFailed: when it does not.
    """
    if record.image_id != image.image_id:
        return
    if before.image_id != image.image_id:
        before = BuildRecord()
    here = record.failures_by_host.get(host, 0) - before.failures_by_host.get(
        host, 0
    )
    new = record.failures - before.failures
    if (
        (record.final and new > 0)
        or here >= MOST_FAILURES_PER_HOST
        or new >= MOST_FAILURES
    ):
        raise errors.BuildFailed(image.image_id, record.kind, record.cause)


def _is_of_the_image(exc: errors.CowError, record: BuildRecord) -> bool:
    """Damage may be of the way; after two tries, each of them of two
    downloads, it is of the image.
    """
    if isinstance(exc, errors.SourceDamaged):
        return record.kind == errors.SourceDamaged.__name__
    return isinstance(exc, errors.ImageUnacceptable)


def _cause(exc: errors.CowError) -> str:
    if isinstance(exc, errors.ImageUnacceptable):
        return exc.reason
    return str(exc)

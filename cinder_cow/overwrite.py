# SPDX-License-Identifier: Apache-2.0
"""Gives a volume that is there the content of an image: Cinder's reimage.

Its old bytes are gone, its snapshots stay. After an error it holds anything.
"""

from collections.abc import Iterator
import contextlib
import dataclasses

from oslo_log import log as logging

from cinder_cow import errors, model
from cinder_cow.backends.base_store import BaseStore
from cinder_cow.base_images import base_reading
from cinder_cow.base_images.ensure import Ensured
from cinder_cow.execute import CreateRequest, Parts
from cinder_cow.transfer.destination import ExistingDestination
from cinder_cow.transfer.model import CopyResult

LOG = logging.getLogger(__name__)


def run(
    plan: model.Stream | model.CloneBase | model.BuildBase,
    request: CreateRequest,
    parts: Parts,
) -> model.Result:
    """What was done, exactly as planned.

    :param plan: of :func:`~cinder_cow.planning.decide.decide_overwrite`.
    :raises CowError: and whatever ``finish`` raises.
    """
    LOG.debug('volume=%s overwrite: plan=%s', request.target.volume_id, plan)
    if isinstance(plan, model.Stream):
        return _with_image(request, parts)
    try:
        return _with_base(request, parts)
    except errors.BaseGone as exc:
        LOG.info('volume=%s %s', request.target.volume_id, exc)
        return _with_base(request, parts)


def _with_image(request: CreateRequest, parts: Parts) -> model.Result:
    """The image's own bytes are the disk's."""
    image_copier = parts.image_copier
    with image_copier.slot(request.copy):
        copied = image_copier.copy(
            request.image, request.copy, _destination(request, parts)
        )
    request.finish(copied.signature_verified)
    return _result(request, copied)


def _with_base(request: CreateRequest, parts: Parts) -> model.Result:
    """The disk's bytes are those of the image's base.

    :raises BaseGone: when it was evicted before all of it was read.
    """
    assert parts.base_images is not None
    ensured = parts.base_images.ensure(
        request.image, request.copy, request.target.size_bytes
    )
    base, store = ensured.base, parts.base_images.store
    store.used(base, request.image.image_id)  # the last to be evicted
    with parts.image_copier.slot(request.copy), _kept(store, base):
        copied = parts.image_copier.copy_verified(
            lambda: base_reading.BaseReading(store, base),
            base_reading.disk(base, request.image),
            request.copy,
            _destination(request, parts),
        )
    request.finish(base.info.signature_verified)
    return _through_base(_result(request, copied), ensured)


def _destination(request: CreateRequest, parts: Parts) -> ExistingDestination:
    target = request.target
    return ExistingDestination(
        target.size_bytes, lambda: parts.backend.reopen(target.volume_name)
    )


@contextlib.contextmanager
def _kept(store: BaseStore, base: model.Base) -> Iterator[None]:
    """What is read of a base that is being removed may be zeros.

    Ceph removes an image's objects after its last snapshot: while that is
    there, what was read before is right (librbd/image/RemoveRequest.cc).

    :raises BaseGone: when the base is not there any more in the end.
    """
    try:
        yield
    except (errors.CopyCancelled, errors.CopyTimedOut):
        raise  # it is not begun again, whatever became of the base
    except errors.CowError as exc:
        if not _is_there(store, base):
            raise errors.BaseGone(base.name) from exc
        raise
    if not _is_there(store, base):
        raise errors.BaseGone(base.name)


def _is_there(store: BaseStore, base: model.Base) -> bool:
    store.forget(base.name)
    return store.find(base.name) == base


def _result(request: CreateRequest, copied: CopyResult) -> model.Result:
    return model.Result(
        request.target.volume_id,
        request.image.image_id,
        model.Method.STREAM,
        'reimage',
        copied.verification,
        source=copied.source,
        bytes_copied=copied.bytes_copied,
    )


def _through_base(result: model.Result, ensured: Ensured) -> model.Result:
    """The same, with what is known of the base that was read."""
    base = ensured.base
    built_bytes = base.info.stored_bytes if ensured.built else 0
    return dataclasses.replace(
        result,
        verification=base.info.verification,
        parent=base.snapshot.ref,
        bytes_copied=result.bytes_copied + built_bytes,
    )

# SPDX-License-Identifier: Apache-2.0
"""Carries a plan out, and owns the volume's life while it does.

The volume is made, completed and handed over; or it is removed and an error
is raised. Only what this call made is ever removed.
"""

from collections.abc import Callable, Iterator
import contextlib
from dataclasses import dataclass
from typing import Any

from oslo_log import log as logging

from cinder_cow import errors
from cinder_cow.backends.base import ImageBackend
from cinder_cow.base_images.ensure import BaseImages, Ensured
from cinder_cow.model import (
    BuildBase,
    Clone,
    CloneBase,
    Delegate,
    ImageInfo,
    Method,
    Plan,
    Refusal,
    Result,
    Stream,
    Target,
    Verification,
)
from cinder_cow.transfer.copier import (
    CopyRequest,
    CopyResult,
    Destination,
    ImageCopier,
    opener,
)

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """What a plan is carried out with."""

    image: ImageInfo
    target: Target
    backend: ImageBackend
    #: Completes a volume that has its content: QoS, replication; told
    #: whether the image's signature was verified, None for a clone of the
    #: image itself. When it raises, a new volume is removed and the error
    #: goes on.
    finish: Callable[[bool | None], None]
    image_copier: ImageCopier
    request: CopyRequest
    #: None where the backend keeps no base images.
    bases: BaseImages | None = None


def run(plan: Plan, work: CreateRequest) -> Result:
    """What was done for the volume.

    :raises CowError: and whatever ``finish`` raises. The volume is gone then.
    """
    match plan:
        case Clone():
            return _clone(plan, work)
        case CloneBase():
            return _clone_base(plan, work)
        case BuildBase():
            return _build_base(plan, work)
        case Stream():
            return _stream(plan, work)
        case Delegate():
            return _delegate(plan, work)


def _clone(plan: Clone, work: CreateRequest) -> Result:
    name = work.target.volume_name
    with _made_or_removed(work.backend, name):
        work.backend.clone(work.image, name)
        if plan.parent.size_bytes < plan.size_bytes:
            work.backend.grow(name, plan.size_bytes)
        work.finish(None)
    return _result(
        work,
        Method.CLONE,
        'cloneable',
        verification=Verification.SHARED,
        parent=plan.parent.ref,
    )


def _clone_base(plan: CloneBase, work: CreateRequest) -> Result:
    ensured = Ensured(plan.base, built=False)
    try:
        return _of_base(ensured, plan, work)
    except errors.BaseGone:  # evicted just now
        return _build_base(BuildBase(plan.size_bytes, plan.refusals), work)


def _build_base(plan: BuildBase, work: CreateRequest) -> Result:
    """Once more when it is evicted before it could be cloned."""
    assert work.bases is not None
    for last in (False, True):
        ensured = work.bases.ensure(work.image, work.request, plan.size_bytes)
        try:
            return _of_base(ensured, plan, work)
        except errors.BaseGone:
            if last:
                raise
    raise AssertionError('not reached')


def _of_base(
    ensured: Ensured, plan: CloneBase | BuildBase, work: CreateRequest
) -> Result:
    assert work.bases is not None
    base, name = ensured.base, work.target.volume_name
    if base.snapshot.size_bytes > plan.size_bytes:
        raise errors.ImageTooBig(
            work.image.image_id, base.snapshot.size_bytes, plan.size_bytes
        )
    with _made_or_removed(work.backend, name):
        work.bases.store.clone(base, name)
        if base.snapshot.size_bytes < plan.size_bytes:
            work.backend.grow(name, plan.size_bytes)
        work.finish(base.info.signature_verified)
    work.bases.store.used(base, work.image.image_id)
    return _result(
        work,
        Method.BUILD_BASE if ensured.built else Method.CLONE_BASE,
        _codes(plan.refusals) or 'based',
        verification=base.info.verification,
        parent=base.snapshot.ref,
        source=base.info.source,
        refusals=plan.refusals if ensured.built else (),
        bytes_copied=base.info.stored_bytes if ensured.built else 0,
    )


def _stream(plan: Stream, work: CreateRequest) -> Result:
    name = work.target.volume_name
    destination = Destination(
        opener(
            lambda: work.backend.open(name, plan.size_bytes),
            lambda: work.backend.remove(name),
        ),
        plan.size_bytes,
        is_zero=True,
    )
    with (
        _made_or_removed(work.backend, name),
        work.image_copier.slot(work.request),
    ):
        filled = work.image_copier.copy(work.image, work.request, destination)
        work.finish(filled.signature_verified)
    return _streamed(work, filled, plan.refusals)


def overwrite(work: CreateRequest) -> Result:
    """What was done to give a volume that is there the image's content.

    Its old bytes are gone, its snapshots stay. After an error it holds
    anything.

    :raises ImageTooBig: before a byte is written.
    """
    image, target = work.image, work.target
    if image.size_bytes > target.size_bytes:
        raise errors.ImageTooBig(
            image.image_id, image.size_bytes, target.size_bytes
        )
    destination = Destination(
        lambda: work.backend.reopen(target.volume_name),
        target.size_bytes,
        is_zero=False,
    )
    with work.image_copier.slot(work.request):
        filled = work.image_copier.copy(image, work.request, destination)
    work.finish(filled.signature_verified)
    return _streamed(work, filled, ())


def _delegate(plan: Delegate, work: CreateRequest) -> Result:
    return _result(
        work,
        Method.DELEGATE,
        _codes(plan.refusals),
        verification=Verification.DELEGATED,
        refusals=plan.refusals,
    )


def _streamed(
    work: CreateRequest, filled: CopyResult, refusals: tuple[Refusal, ...]
) -> Result:
    return _result(
        work,
        Method.STREAM,
        _codes(refusals) or 'reimage',
        verification=filled.verification,
        source=filled.source,
        refusals=refusals,
        bytes_copied=filled.bytes_copied,
    )


def _result(
    work: CreateRequest, method: Method, reason: str, **more: Any
) -> Result:
    return Result(
        work.target.volume_id, work.image.image_id, method, reason, **more
    )


def _codes(refusals: tuple[Refusal, ...]) -> str:
    return ','.join(dict.fromkeys(each.code.value for each in refusals))


@contextlib.contextmanager
def _made_or_removed(
    backend: ImageBackend, volume_name: str
) -> Iterator[None]:
    if backend.exists(volume_name):
        raise errors.VolumeExists(backend.settings.pool, volume_name)
    # From here on, what is there is ours.
    try:
        yield
    except errors.VolumeExists:
        raise  # somebody was faster
    except BaseException:  # also when the green thread is killed
        _remove(backend, volume_name)
        raise


def _remove(backend: ImageBackend, volume_name: str) -> None:
    try:
        backend.remove(volume_name)
    except errors.CowError as exc:
        # The first error is the one to report; this one is told here.
        LOG.warning(
            'The unfinished volume %s may be left behind: %s If no volume'
            ' of Cinder uses it, remove it with `rbd rm`.',
            volume_name,
            exc,
        )

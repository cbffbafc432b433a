# SPDX-License-Identifier: Apache-2.0
"""Carries a plan out, and owns the volume's life while it does.

The volume is made, completed and handed over; or it is removed and an error
is raised. Only what this call made is ever removed.
"""

from collections.abc import Callable
from dataclasses import dataclass
import types
from typing import Any, Self, TypeVar

from oslo_log import log as logging

from cinder_cow import errors, model, native
from cinder_cow.backends.base import ImageBackend
from cinder_cow.backends.base_store import BaseStore
from cinder_cow.base_images.ensure import BaseImages, Ensured
from cinder_cow.model import Method, Result, Verification
from cinder_cow.planning import plan as planning
from cinder_cow.transfer.copier import ImageCopier
from cinder_cow.transfer.destination import NewDestination
from cinder_cow.transfer.model import CopyRequest

LOG = logging.getLogger(__name__)
T = TypeVar('T')


@dataclass(frozen=True, slots=True)
class Parts:
    """What works for one backend of cinder.conf."""

    backend: ImageBackend
    image_copier: ImageCopier
    #: None where the backend keeps no base images.
    base_images: BaseImages | None = None


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """One volume that is asked for."""

    image: model.ImageInfo
    target: model.Target
    copy: CopyRequest
    #: Completes a volume that has its content: QoS, replication. Its
    #: argument says whether the image's signature was verified; None for a
    #: clone of the image itself. When it raises, a new volume is removed.
    finish: Callable[[bool | None], None]


def run(plan: model.Plan, request: CreateRequest, parts: Parts) -> Result:
    """What was done for the volume, exactly as planned.

    :raises CowError: and whatever ``finish`` raises. The volume is gone then.
    """
    LOG.debug('volume=%s plan=%s', request.target.volume_id, plan)
    match plan:
        case model.Clone():
            return _clone(plan, request, parts)
        case model.CloneBase():
            return _clone_base(plan, request, parts)
        case model.BuildBase():
            return _build_base(plan, request, parts)
        case model.Stream():
            return _stream(plan, request, parts)
        case model.Delegate():
            return _delegate(plan, request)


def _clone(plan: model.Clone, request: CreateRequest, parts: Parts) -> Result:
    with _NewVolume(parts.backend, request.target) as volume:
        volume.clone(
            lambda: parts.backend.clone_snapshot(plan.parent, volume.name),
            plan.parent.size_bytes,
            plan.size_bytes,
        )
        LOG.debug('volume=%s is a clone', request.target.volume_id)
        request.finish(None)
    return _result(
        request,
        Method.CLONE,
        planning.reason(plan),
        verification=Verification.SHARED,
        parent=plan.parent.ref,
    )


def _clone_base(
    plan: model.CloneBase, request: CreateRequest, parts: Parts
) -> Result:
    try:
        return _clone_of(Ensured(plan.base, built=False), plan, request, parts)
    except errors.BaseGone:  # evicted since it was found
        build = model.BuildBase(plan.size_bytes, plan.refusals)
        return _build_base(build, request, parts)


def _build_base(
    plan: model.BuildBase, request: CreateRequest, parts: Parts
) -> Result:
    """Builds it twice when it is evicted before it could be cloned."""
    try:
        return _clone_of(_ensured(plan, request, parts), plan, request, parts)
    except errors.BaseGone:
        return _clone_of(_ensured(plan, request, parts), plan, request, parts)


def _ensured(
    plan: model.BuildBase, request: CreateRequest, parts: Parts
) -> Ensured:
    assert parts.base_images is not None
    return parts.base_images.ensure(
        request.image, request.copy, plan.size_bytes
    )


def _clone_of(
    ensured: Ensured,
    plan: model.CloneBase | model.BuildBase,
    request: CreateRequest,
    parts: Parts,
) -> Result:
    assert parts.base_images is not None
    base, store = ensured.base, parts.base_images.store
    base_bytes = base.snapshot.size_bytes
    if base_bytes > plan.size_bytes:
        raise errors.ImageTooBig(
            request.image.image_id, base_bytes, plan.size_bytes
        )
    with _NewVolume(parts.backend, request.target) as volume:
        volume.clone(
            lambda: _clone_used(store, base, volume.name, request.image),
            base_bytes,
            plan.size_bytes,
        )
        LOG.debug(
            'volume=%s is a clone of base=%s',
            request.target.volume_id,
            base.name,
        )
        if request.target.replicated:
            LOG.debug('volume=%s flattening', request.target.volume_id)
            with parts.image_copier.slot(request.copy):  # it is a copy too
                parts.backend.flatten(volume.name)
        request.finish(base.info.signature_verified)
    return _result(
        request,
        Method.BUILD_BASE if ensured.built else Method.CLONE_BASE,
        planning.reason(plan),
        verification=base.info.verification,
        parent=base.snapshot.ref,
        source=base.info.source,
        refusals=plan.refusals if ensured.built else (),
        bytes_copied=base.info.stored_bytes if ensured.built else 0,
    )


def _clone_used(
    store: BaseStore, base: model.Base, name: str, image: model.ImageInfo
) -> None:
    store.clone(base, name)
    store.used(base, image.image_id)


def _stream(
    plan: model.Stream, request: CreateRequest, parts: Parts
) -> Result:
    backend = parts.backend
    with (
        _NewVolume(backend, request.target) as volume,
        parts.image_copier.slot(request.copy),
    ):
        copied = parts.image_copier.copy(
            request.image,
            request.copy,
            NewDestination(
                plan.size_bytes,
                lambda: volume.make(
                    lambda: backend.open(volume.name, plan.size_bytes)
                ),
                volume.remove,
            ),
        )
        request.finish(copied.signature_verified)
    return _result(
        request,
        Method.STREAM,
        planning.reason(plan),
        verification=copied.verification,
        source=copied.source,
        refusals=plan.refusals,
        bytes_copied=copied.bytes_copied,
    )


def _delegate(plan: model.Delegate, request: CreateRequest) -> Result:
    return _result(
        request,
        Method.DELEGATE,
        planning.reason(plan),
        verification=Verification.DELEGATED,
        refusals=plan.refusals,
    )


def _result(
    request: CreateRequest, method: Method, reason: str, **more: Any
) -> Result:
    return Result(
        request.target.volume_id,
        request.image.image_id,
        method,
        reason,
        **more,
    )


class _NewVolume:
    """A volume that is removed again when its making fails.

    A context manager. What was there before :meth:`make`, or was made under
    the same name by somebody else, is never removed.
    """

    def __init__(self, backend: ImageBackend, target: model.Target) -> None:
        self.name = target.volume_name
        self._backend = backend
        self._is_ours = False
        self._is_given_up = False

    def make(self, make: Callable[[], T]) -> T:
        """What ``make`` answers, which makes something under the name.

        :raises VolumeExists: when there is something already.
        """
        if self._backend.exists(self.name):
            raise errors.VolumeExists(self._backend.path(self.name))
        self._is_ours = True
        try:
            return make()
        except errors.VolumeExists:  # made by another in between
            self._is_ours = False
            raise

    @native.in_thread
    def clone(
        self, make: Callable[[], None], parent_bytes: int, size_bytes: int
    ) -> None:
        """Make it by ``make``, and then as large as was asked for.

        Under eventlet in one native thread for all of it: in a burst each
        change of threads waits for its turn. The green thread may be killed
        meanwhile: the native one goes on, and nobody else removes what it
        makes.
        """
        if self._is_given_up:
            return
        self.make(make)
        if self._is_given_up:
            self._backend.remove(self.name)
        elif parent_bytes < size_bytes:
            self._backend.grow(self.name, size_bytes)

    def remove(self) -> None:
        """Remove it, if this made it."""
        if self._is_ours:
            self._backend.remove(self.name)
            self._is_ours = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        if exc is None:
            return
        self._is_given_up = True
        try:  # also when the green thread is killed
            self.remove()
        except errors.CowError as failure:
            # The first error is the one to raise; this one is logged.
            LOG.warning(
                'The unfinished volume %s may be left behind: %s If no'
                ' volume of Cinder uses it, remove it.',
                self._backend.path(self.name),
                failure,
            )

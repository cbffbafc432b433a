# SPDX-License-Identifier: Apache-2.0
"""Bases before a volume is asked for: one image at a time.

What is built is what the first volume of the image would have built, by the
same decision and in the same way.
"""

from dataclasses import dataclass, field
import enum
import sys

from cinder_cow import copying, errors
from cinder_cow.base_images.ensure import BaseImages
from cinder_cow.model import (
    Base,
    BuildBase,
    Clone,
    CloneBase,
    ImageInfo,
    Plan,
    Target,
)
from cinder_cow.planning import decide, formats
from cinder_cow.planning import verdict as rules
from cinder_cow.planning.plan import BaseRule
from cinder_cow.transfer.model import CopyRequest

#: Any disk fits into it. The base is bounded by the room for bases alone.
NO_VOLUME = Target('', '', sys.maxsize)


class WarmStatus(enum.Enum):
    """What became of one image. The values are shown to people."""

    BUILT = 'built'
    #: The base was there already, or another built it meanwhile.
    THERE = 'there'
    #: Volumes from the image need no base, or get none.
    SKIPPED = 'skipped'
    FAILED = 'failed'


@dataclass(frozen=True, slots=True)
class WarmResult:
    """What was done for one image, and why."""

    status: WarmStatus
    #: Why it was skipped or failed.
    why: str = ''
    base: Base | None = None
    #: What it failed with.
    error: errors.CowError | None = field(default=None, compare=False)


def warm(
    image: ImageInfo,
    request: CopyRequest,
    backend: decide.Backend,
    base_images: BaseImages,
) -> WarmResult:
    """Have the image's base built, if its volumes would be clones of one.

    A base that is there is taken to be used now: it is evicted later.

    :raises CopyCancelled: when the request was cancelled. Nothing is left of
        the base then.
    """
    try:
        # No clone is made, which would tell that the base was evicted.
        base_images.store.forget(base_images.name(image))
        plan = decide.decide(image, NO_VOLUME, backend, base_images).plan
        return _carry_out(plan, image, request, base_images)
    except errors.ConversionDisabled as exc:
        return WarmResult(WarmStatus.SKIPPED, exc.reason)
    except (errors.CowError, copying.Cancelled) as exc:
        if request.cancellation is not None and request.cancellation.error:
            # Also a tool that the same signal has ended.
            raise errors.CopyCancelled(f'image {image.image_id}') from exc
        error = exc if isinstance(exc, errors.CowError) else None
        return WarmResult(WarmStatus.FAILED, str(exc), error=error)


def _carry_out(
    plan: Plan, image: ImageInfo, request: CopyRequest, base_images: BaseImages
) -> WarmResult:
    match plan:
        case Clone():
            return WarmResult(
                WarmStatus.SKIPPED,
                f'it is cloned where it lies, from {plan.parent.ref}',
            )
        case CloneBase():
            return _there(plan.base, image, base_images)
        case BuildBase():
            ensured = base_images.ensure(image, request, plan.size_bytes)
            if not ensured.built:
                return _there(ensured.base, image, base_images)
            return WarmResult(WarmStatus.BUILT, base=ensured.base)
        case _:
            return WarmResult(
                WarmStatus.SKIPPED, _why_none(image, base_images)
            )


def _there(
    base: Base, image: ImageInfo, base_images: BaseImages
) -> WarmResult:
    base_images.store.used(base, image.image_id)
    return WarmResult(WarmStatus.THERE, base=base)


def _why_none(image: ImageInfo, base_images: BaseImages) -> str:
    """Why the image gets no base."""
    if base_images.rule is BaseRule.NEVER:
        return 'cow_base_images is never'
    if image.status != 'active':
        return f'its status is {image.status}, not active'
    if not rules.is_bare_and_active(image):
        return f'its container_format is {image.container_format}, not bare'
    if image.disk_format not in formats.FORMATS:
        return f'its disk_format {image.disk_format} cannot be converted'
    if not image.size_bytes:
        return 'Glance knows no size of it'
    return (
        f'it has {image.size_bytes} bytes, more than cow_base_auto_bytes ='
        f' {base_images.auto_bytes}; set cow_base_images = always to have'
        f' a base of it all the same'
    )

# SPDX-License-Identifier: Apache-2.0

"""From a verdict to what is done. Pure."""

from dataclasses import dataclass
import enum

from cinder_cow.errors import ConversionDisabled, ImageTooBig
from cinder_cow.model import (
    Base,
    BuildBase,
    Clone,
    CloneBase,
    Delegate,
    ImageInfo,
    Method,
    Plan,
    Refusal,
    RefusalCode,
    Stream,
    Target,
    Verdict,
)
from cinder_cow.planning import formats
from cinder_cow.planning import verdict as rules


class BaseRule(enum.Enum):
    """Which images get a base: `cow_base_images`."""

    #: Those that have to be converted, and those that would be copied and
    #: are not too large.
    AUTO = 'auto'
    #: All, also those that could be cloned where they lie.
    ALWAYS = 'always'
    NEVER = 'never'


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """What decides on a base, beside the image."""

    rule: BaseRule = BaseRule.NEVER
    #: With AUTO, the largest raw image that gets a base.
    auto_bytes: int = 0
    #: The base that is there already.
    found: Base | None = None
    #: Whether images of other formats may be converted on this host:
    #: Cinder's `image_conversion_disable`.
    may_convert: bool = True


NO_BASES = BaseFacts()
REPLICATED = Refusal(
    RefusalCode.REPLICATED,
    'The volume type is replicated, and a clone cannot be mirrored unless its'
    ' parent is',
    'Nothing to do: the volume is a full copy. Where that takes too long, use'
    ' a type without replication_enabled',
)


def may_have_base(image: ImageInfo, rule: BaseRule) -> bool:
    """Whether to look for a base at all, where the image is not cloned.

    Without a size that is known beforehand there is nothing to build.
    """
    return (
        rule is not BaseRule.NEVER
        and image.size_bytes > 0
        and rules.is_bare_and_active(image)
        and image.disk_format in formats.FORMATS
    )


def needs_base(
    image: ImageInfo, target: Target, verdict: Verdict, rule: BaseRule
) -> bool:
    """Whether the plan depends on the image's base being there or not."""
    if target.replicated and rules.is_the_disk(image):
        return False
    if verdict.parent is not None and rule is not BaseRule.ALWAYS:
        return False
    return may_have_base(image, rule)


def choose(
    image: ImageInfo,
    target: Target,
    verdict: Verdict,
    bases: BaseFacts = NO_BASES,
) -> Plan:
    """The cheapest way to the volume that the verdict allows.

    :raises ImageTooBig: when the image is larger than the volume. A clone
        would have to be shrunk to fit, and would lose the image's end.
    :raises ConversionDisabled: when it would have to be converted.
    """
    if target.replicated and rules.is_the_disk(image):
        # A clone would have to be flattened, which copies as much.
        return _stream(image, target, (*verdict.refusals, REPLICATED))
    if verdict.parent is not None and bases.rule is not BaseRule.ALWAYS:
        return _clone(image, target, verdict)
    of_base = _of_base(image, target, verdict, bases)
    if of_base is not None:
        return of_base
    if verdict.parent is not None:
        return _clone(image, target, verdict)
    if not rules.is_the_disk(image):
        return Delegate(verdict.refusals)
    return _stream(image, target, verdict.refusals)


def choose_overwrite(
    image: ImageInfo, target: Target, bases: BaseFacts = NO_BASES
) -> Stream | CloneBase | BuildBase | Delegate:
    """The way into a volume that is there, and keeps its blocks.

    What is the disk already is streamed. Else the image's base is read.

    :raises ImageTooBig: when the image is larger than the volume.
    :raises ConversionDisabled: when it would have to be converted.
    """
    if rules.is_the_disk(image):
        return _stream(image, target, ())
    return _of_base(image, target, Verdict(), bases) or Delegate(())


def method(plan: Plan) -> Method:
    """What the plan is called in the log, where nothing comes in between."""
    match plan:
        case Clone():
            return Method.CLONE
        case CloneBase():
            return Method.CLONE_BASE
        case BuildBase():
            return Method.BUILD_BASE
        case Stream():
            return Method.STREAM
        case Delegate():
            return Method.DELEGATE


def reason(plan: Plan) -> str:
    """Why, for the log: refusal codes, or a word where there is none."""
    match plan:
        case Clone():
            return 'cloneable'
        case CloneBase() | BuildBase():
            return codes(plan.refusals) or 'based'
        case Stream() | Delegate():
            return codes(plan.refusals)


def codes(refusals: tuple[Refusal, ...]) -> str:
    """The codes of all, each once."""
    return ','.join(dict.fromkeys(each.code.value for each in refusals))


def _of_base(
    image: ImageInfo, target: Target, verdict: Verdict, bases: BaseFacts
) -> CloneBase | BuildBase | None:
    """The plan to clone the image's base; None where it gets none."""
    if not may_have_base(image, bases.rule):
        return None
    if bases.found is not None:
        _fits(image, bases.found.snapshot.size_bytes, target)
        return CloneBase(bases.found, target.size_bytes, verdict.refusals)
    if not _is_worth_a_base(image, bases):
        return None
    if rules.is_the_disk(image):
        _fits(image, image.size_bytes, target)
    elif not bases.may_convert:
        raise ConversionDisabled(image.image_id, image.disk_format)
    return BuildBase(target.size_bytes, verdict.refusals)


def _stream(
    image: ImageInfo, target: Target, refusals: tuple[Refusal, ...]
) -> Stream:
    _fits(image, image.size_bytes, target)
    return Stream(target.size_bytes, refusals)


def _clone(image: ImageInfo, target: Target, verdict: Verdict) -> Clone:
    assert verdict.parent is not None
    _fits(image, verdict.parent.size_bytes, target)
    return Clone(verdict.parent, target.size_bytes)


def _is_worth_a_base(image: ImageInfo, bases: BaseFacts) -> bool:
    """Converting is slow, and copies of large images may fill the pool."""
    return (
        bases.rule is BaseRule.ALWAYS
        or not rules.is_the_disk(image)
        or image.size_bytes <= bases.auto_bytes
    )


def _fits(image: ImageInfo, image_bytes: int, target: Target) -> None:
    if image_bytes > target.size_bytes:
        raise ImageTooBig(image.image_id, image_bytes, target.size_bytes)

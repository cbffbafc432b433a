# SPDX-License-Identifier: Apache-2.0
"""What is to be done for one volume: verdict, base and plan in one call.

The driver's ``clone_image`` and the command decide by this alone. What has to
be asked of the storage is asked through two small interfaces.
"""

from dataclasses import dataclass
from typing import Protocol

from cinder_cow.model import (
    Base,
    BuildBase,
    CloneBase,
    Delegate,
    ImageInfo,
    Plan,
    Stream,
    Target,
    Verdict,
)
from cinder_cow.planning import plan
from cinder_cow.planning import verdict as rules


class Backend(Protocol):
    """Says whether an image can be cloned where it lies."""

    def cloneable(self, image_info: ImageInfo) -> Verdict:
        """The verdict on the image."""


class BaseImages(Protocol):
    """Finds the bases that there are."""

    @property
    def rule(self) -> plan.BaseRule:
        """Which images get a base."""

    @property
    def auto_bytes(self) -> int:
        """With the rule AUTO, the largest raw image that gets one."""

    @property
    def may_convert(self) -> bool:
        """Whether images of other formats may be converted here."""

    def find(self, image: ImageInfo) -> Base | None:
        """The image's base, if there is one that may be used."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan, and the facts that it was made of."""

    verdict: Verdict
    bases: plan.BaseFacts
    plan: Plan


def decide(
    image: ImageInfo,
    target: Target,
    backend: Backend,
    base_images: BaseImages | None,
) -> Decision:
    """The plan for the volume, as things are now.

    :param base_images: None where the backend keeps none.
    :raises ImageTooBig: when the image does not fit into the volume.
    :raises ConversionDisabled: when it would have to be converted.
    :raises StorageError: when the storage cannot be asked.
    """
    verdict = backend.cloneable(image)
    facts = _base_facts(base_images, image, target, verdict)
    return Decision(verdict, facts, plan.choose(image, target, verdict, facts))


def decide_overwrite(
    image: ImageInfo, target: Target, base_images: BaseImages | None
) -> Stream | CloneBase | BuildBase | Delegate:
    """The plan for a volume that holds old bytes, and gets the image's.

    Its exceptions are those of :func:`decide`.
    """
    facts = plan.NO_BASES
    if not rules.is_the_disk(image):
        facts = _base_facts(base_images, image, target, Verdict())
    return plan.choose_overwrite(image, target, facts)


def _base_facts(
    base_images: BaseImages | None,
    image: ImageInfo,
    target: Target,
    verdict: Verdict,
) -> plan.BaseFacts:
    if base_images is None:
        return plan.NO_BASES
    rule = base_images.rule
    found = None
    if plan.needs_base(image, target, verdict, rule):
        found = base_images.find(image)
    return plan.BaseFacts(
        rule, base_images.auto_bytes, found, base_images.may_convert
    )

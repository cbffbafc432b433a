# SPDX-License-Identifier: Apache-2.0
"""What a create of a volume would do now, found out as the driver does.

By the same parts, of the same options, and by the same ``decide()``.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from cinder_cow import errors, wiring
from cinder_cow.backends.base_store import BuildRecord
from cinder_cow.base_images import build_failures
from cinder_cow.cli.configuration import Section
from cinder_cow.cli.glance_access import GlanceLogin
from cinder_cow.model import (
    BuildBase,
    Clone,
    CloneBase,
    Delegate,
    ImageInfo,
    Plan,
    Refusal,
    Stream,
    Target,
    Verification,
)
from cinder_cow.planning import api_checks, estimate, location
from cinder_cow.planning import plan as planning
from cinder_cow.planning.api_checks import GIB
from cinder_cow.planning.decide import Decision, decide
from cinder_cow.transfer import signatures
from cinder_cow.transfer.model import CopyRequest, CopyResult
from cinder_cow.transfer.verification import ContentChecks

#: What a create ends with by the plan alone: an answer, not a failure to ask.
ENDS = (
    api_checks.ImageNotActive,
    api_checks.VolumeTooSmall,
    errors.ImageTooBig,
    errors.ConversionDisabled,
    errors.ImageUnacceptable,
)
#: What would end it when its bytes are looked for.
SOURCE_ENDS = (*ENDS, errors.SourceError, errors.StorageError)
ERROR = 'error'


@dataclass(frozen=True, slots=True)
class VolumeAsked:
    """The volume that is thought of."""

    #: None: the smallest that Cinder makes of the image.
    size_gib: int | None = None
    replicated: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """The plan for one image, or what a create would end with."""

    record: dict[str, Any]
    image: ImageInfo
    size_gib: int
    replicated: bool = False
    decision: Decision | None = None
    error: errors.CowError | None = None

    @property
    def plan(self) -> Plan | None:
        """None where a create ends with the error."""
        if self.error is not None or self.decision is None:
            return None
        return self.decision.plan

    @property
    def method(self) -> str:
        """As in the INFO line of the volume, or `error`."""
        return ERROR if self.plan is None else planning.method(self.plan).value

    @property
    def reason(self) -> str:
        """As in the INFO line, or the name of the error's class."""
        if self.plan is None:
            return type(self.error).__name__
        return planning.reason(self.plan)


@dataclass(frozen=True, slots=True)
class Located:
    """One location of the image, looked at for itself."""

    label: str
    #: None: it lies where a clone can be made of it.
    refusal: Refusal | None = None
    #: Where even that could not be found out.
    failure: errors.StorageError | None = None

    @property
    def is_here(self) -> bool:
        """Whether a clone can be made of it."""
        return self.refusal is None and self.failure is None


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that there is to tell of one image."""

    outline: Outline
    locations: list[Located]
    #: What a copy or a build would do; None where the plan needs none.
    expected: CopyResult | None = None
    rate: estimate.Rate | None = None
    #: The base that there is, or would be; empty where the plan has none.
    base_name: str = ''
    #: Of that base's last build, if it failed or goes on.
    build: BuildRecord | None = None


class Explainer:
    """Explains images, on one kept connection. Thread-safe."""

    def __init__(
        self, section: Section, login: GlanceLogin, asked: VolumeAsked
    ) -> None:
        """
        :raises PluginNotLoadable: when there is no such backend or source.
        """
        self._section = section
        self._images = login.images
        self._client = login.client
        self._asked = asked
        self._parts = wiring.parts(section)
        self._verify = section.verify_glance_signatures != 'disabled'

    def outline(self, record: dict[str, Any]) -> Outline:
        """The plan for one image of Glance's.

        :raises GlanceNotTrusted: when Glance does not answer.
        :raises StorageError: when the storage cannot be asked.
        """
        size_gib = self._asked.size_gib or api_checks.least_gib(record)
        image = self._images.image_info(record, self._verify)
        outline = Outline(record, image, size_gib, self._asked.replicated)
        try:
            api_checks.require_taken(record, size_gib)
            decision = decide(
                image,
                self._target(size_gib),
                self._parts.backend,
                self._parts.base_images,
            )
            self._require_done(outline, decision.plan)
        except ENDS as exc:
            return dataclasses.replace(outline, error=exc)
        return dataclasses.replace(outline, decision=decision)

    def explain(self, record: dict[str, Any]) -> Explanation:
        """All of one image. A source is opened, and nothing is copied.

        :raises GlanceNotTrusted: when Glance does not answer.
        :raises StorageError: when the storage cannot be asked.
        """
        outline = self.outline(record)
        explanation = Explanation(
            outline,
            [
                self._look(outline.image, url)
                for url in outline.image.locations
            ],
        )
        try:
            expected = self._expected(explanation)
        except SOURCE_ENDS as exc:
            failed = dataclasses.replace(outline, error=exc)
            explanation = dataclasses.replace(explanation, outline=failed)
            expected = None
        return dataclasses.replace(
            explanation,
            expected=expected,
            rate=self._rate(outline, expected),
            base_name=self._base_name(outline),
            build=self._build(outline),
        )

    def _target(self, size_gib: int) -> Target:
        # A volume that is never made: nothing asks for its id.
        return Target('', '', size_gib * GIB, self._asked.replicated)

    def _require_done(self, outline: Outline, plan: Plan) -> None:
        """What a create meets behind its plan, before it copies a byte.

        :raises CowError: of those in ENDS.
        """
        image = outline.image
        if isinstance(plan, BuildBase):
            record = self._record(image) or BuildRecord()
            build_failures.require_fit(image, record, plan.size_bytes)
        if isinstance(plan, BuildBase | Stream):
            required = self._section.cow_require_hash
            ContentChecks(image, '', None, True, require_hash=required)
            if image.signature:
                signatures.require_complete(image.image_id, outline.record)
        if isinstance(plan, Delegate) and self._needs_conversion(image):
            raise errors.ConversionDisabled(image.image_id, image.disk_format)

    def _needs_conversion(self, image: ImageInfo) -> bool:
        """Where it may not be: Cinder's own path refuses it too."""
        disabled = self._section.image_conversion_disable
        return bool(disabled) and image.disk_format != 'raw'

    def _look(self, image: ImageInfo, url: str) -> Located:
        """What is said of a raw image that lies there alone."""
        alone = dataclasses.replace(
            image,
            status='active',
            disk_format='raw',
            container_format='bare',
            signed=False,
            locations=(url,),
        )
        label = location.label(url)
        try:
            verdict = self._parts.backend.cloneable(alone)
        except errors.StorageError as exc:
            return Located(label, failure=exc)
        return Located(label, next(iter(verdict.refusals), None))

    def _expected(self, explanation: Explanation) -> CopyResult | None:
        outline = explanation.outline
        image, request = outline.image, self._request(outline)
        match outline.plan:
            case Clone():
                return CopyResult('', Verification.SHARED, False, 0)
            case CloneBase(base):
                info = base.info
                return CopyResult(
                    '',
                    info.verification,
                    info.signature_verified,
                    # It is flattened: no clone can be mirrored.
                    info.stored_bytes if outline.replicated else 0,
                )
            case BuildBase():
                assert self._parts.base_images is not None
                return self._parts.base_images.expected(
                    image,
                    request,
                    any(each.is_here for each in explanation.locations),
                )
            case Stream(size_bytes):
                return self._parts.image_copier.expected(
                    image, request, size_bytes
                )
        return None

    def _request(self, outline: Outline) -> CopyRequest:
        """The copy that is thought of: it is never made."""

        def verifier() -> Any:
            raise AssertionError('nothing is copied')

        return CopyRequest(
            glance=self._client,
            verifier=verifier if outline.image.signature else None,
        )

    def _rate(
        self, outline: Outline, expected: CopyResult | None
    ) -> estimate.Rate | None:
        bases = self._parts.base_images
        if bases is None or expected is None or not expected.bytes_copied:
            return None
        return estimate.rate(
            (each.info for each in bases.store.recorded_bases()),
            outline.image.disk_format,
            expected.source,
        )

    def _base_name(self, outline: Outline) -> str:
        match outline.plan:
            case CloneBase(base):
                return base.name
            case BuildBase():
                assert self._parts.base_images is not None
                return self._parts.base_images.name(outline.image)
        return ''

    def _build(self, outline: Outline) -> BuildRecord | None:
        if isinstance(outline.plan, Clone):
            return None
        return self._record(outline.image)

    def _record(self, image: ImageInfo) -> BuildRecord | None:
        bases = self._parts.base_images
        if bases is None:
            return None
        return bases.store.build_record(bases.name(image))

# SPDX-License-Identifier: Apache-2.0
"""What a copy is given, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass, field

from cinder_cow import copying
from cinder_cow.model import Verification
from cinder_cow.sources.base import GlanceAccess
from cinder_cow.transfer import pace
from cinder_cow.transfer.limiter import Place
from cinder_cow.transfer.verification import Verifier


@dataclass(frozen=True, slots=True)
class CopySettings:
    """How copies are made."""

    memory_bytes: int = 64 * 2**20
    #: Copies that are started again when what came was broken or damaged.
    retries: int = 1
    require_hash: bool = False
    pace_limits: pace.PaceLimits = field(default_factory=pace.PaceLimits)


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """What one copy needs beside the image."""

    glance: GlanceAccess
    #: The project that the volume belongs to, for the order of the copies.
    project: str = ''
    #: For the log; also where a base is built for the volume.
    volume_id: str = ''
    #: Makes a verifier of the image's signature, a new one for each try;
    #: None where there is no signature to verify.
    verifier: Callable[[], Verifier] | None = None
    report: copying.Report | None = None
    #: The least time between two reports.
    progress_seconds: float = 10.0
    #: Whether the copy must be verified by a hash, whatever that costs.
    require_hash: bool = False
    #: Where it waited for what another copied, before it copies itself.
    place: Place | None = None
    #: Whether no volume waits for it: it gives way to those that do.
    ahead: bool = False
    #: Called when the copy has its slot.
    on_start: Callable[[], None] | None = None
    #: Ends the copy from outside, within a second or two where source and
    #: destination answer.
    cancellation: copying.Cancellation | None = None


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What was done."""

    source: str
    verification: Verification
    signature_verified: bool
    bytes_copied: int

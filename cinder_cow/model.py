# SPDX-License-Identifier: Apache-2.0

"""The values that flow through the package. Frozen, and of no library.

``ImageInfo + Target -> Verdict -> Plan -> Result``. All sizes are bytes.
"""

from dataclasses import dataclass, replace
import enum


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What Glance says of an image."""

    image_id: str
    status: str
    disk_format: str
    container_format: str | None
    #: 0 where Glance does not know it (an image added by its location).
    size_bytes: int = 0
    #: URLs of the image's copies, in the order in which Glance gave them.
    locations: tuple[str, ...] = ()
    #: Whether the image carries any ``img_signature*`` property.
    signed: bool = False
    #: A digest of them, where the signature is to be verified.
    signature: str | None = None
    #: Name and hex digest of Glance's hash, ``os_hash_*``; None where it has
    #: none (an image added by its location, Nova's direct snapshots).
    hash_algo: str | None = None
    hash_value: str | None = None
    #: The older MD5 of Glance, hex.
    checksum: str | None = None
    #: The project that the image belongs to.
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """The volume that is to be made."""

    volume_id: str
    volume_name: str
    size_bytes: int
    #: Whether it is mirrored to another cluster. A clone cannot be, unless
    #: its parent is: so the volume must depend on none.
    replicated: bool = False


@dataclass(frozen=True, slots=True)
class ClonePolicy:
    """Where the volumes live, and what is trusted there."""

    fsid: str
    pool: str
    #: The cephx user, for the remedies in refusals.
    user: str
    #: Where base images are; empty: in ``pool``.
    base_pool: str = ''
    #: Pools whose images may be cloned; empty: any but those two.
    image_pools: tuple[str, ...] = ()
    #: Accept only the image and snapshot name that Glance would have used.
    strict_locations: bool = True
    #: Whether an image with a signature has to be verified before use.
    verify_signatures: bool = True


@dataclass(frozen=True, slots=True)
class SnapshotRef:
    """A snapshot of an RBD image, by name. Says nothing of its existence."""

    fsid: str
    pool: str
    image: str
    snapshot: str

    def __str__(self) -> str:
        return f'{self.pool}/{self.image}@{self.snapshot}'


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that exists and that we can read."""

    ref: SnapshotRef
    size_bytes: int
    stripe_unit_bytes: int
    protected: bool


class Verification(enum.Enum):
    """What the content of a volume was checked against."""

    #: Nothing was copied: the volume shares the blocks that Glance stored.
    SHARED = 'shared'
    #: Every byte, against Glance's ``os_hash_value``.
    HASH = 'hash'
    #: Every byte, against Glance's MD5 ``checksum``: it has nothing better.
    CHECKSUM = 'checksum'
    #: Glance has no hash of the image, or it was read in the storage, where
    #: hashing would cost more than reading. Ceph has checksums of its own.
    ABSENT = 'absent'
    #: Left to Cinder's own path, which checks what it can.
    DELEGATED = 'delegated'


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseInfo:
    """How a base was made. Stored with the base itself."""

    #: The image that it was made of; others of equal content may share it.
    image_id: str
    disk_format: str
    hash_algo: str | None
    hash_value: str | None
    #: Where the bytes came from: a name of `cow_sources`.
    source: str
    verification: Verification
    #: Whether the image's signature was verified meanwhile.
    signature_verified: bool
    #: What it takes of the cluster, before replication.
    stored_bytes: int
    seconds: float
    #: Seconds since the epoch.
    created: float
    #: Of this package.
    version: str
    #: The project of that image; None where Glance names none.
    owner: str | None = None
    #: Whether it was built before a volume was asked for.
    warmed: bool = False


@dataclass(frozen=True, slots=True)
class Base:
    """An image made raw once, that volumes are cloned from."""

    name: str
    snapshot: Snapshot
    info: BaseInfo


class UnavailableReason(enum.Enum):
    """Why a snapshot cannot be looked at."""

    NO_POOL = 'the pool does not exist'
    NO_IMAGE = 'the image does not exist'
    NO_SNAPSHOT = 'the snapshot does not exist'
    DENIED = 'permission denied'


class RefusalCode(enum.Enum):
    """Every reason for not cloning an image. The set is closed.

    The values are stable: they stand in logs and in the documentation.
    """

    NO_LOCATION = 'no-location'
    NOT_RBD = 'not-rbd'
    MALFORMED_LOCATION = 'malformed-location'
    OTHER_CLUSTER = 'other-cluster'
    POOL_NOT_ALLOWED = 'pool-not-allowed'
    POOL_NOT_READABLE = 'pool-not-readable'
    POOL_MISSING = 'pool-missing'
    NOT_GLANCE_IMAGE = 'not-glance-image'
    NOT_GLANCE_SNAPSHOT = 'not-glance-snapshot'
    IMAGE_MISSING = 'image-missing'
    SNAPSHOT_MISSING = 'snapshot-missing'
    SNAPSHOT_UNPROTECTED = 'snapshot-unprotected'
    NOT_RAW = 'not-raw'
    CONTAINER_FORMAT = 'container-format'
    SIGNED = 'signed'
    NOT_ACTIVE = 'not-active'
    BACKEND_CANNOT_CLONE = 'backend-cannot-clone'
    REPLICATED = 'replicated'


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason for not cloning, with the value at fault and the remedy."""

    code: RefusalCode
    reason: str
    remedy: str
    #: True where the operator most likely does not want it to be so.
    misconfigured: bool = False

    def __str__(self) -> str:
        return f'{self.reason}. {self.remedy}'


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an image can be cloned: true when it can.

    ``parent`` is what would be cloned. ``refusals`` says why not; it may hold
    refusals beside a parent, of the image's other locations.
    """

    parent: Snapshot | None = None
    refusals: tuple[Refusal, ...] = ()

    def __bool__(self) -> bool:
        return self.parent is not None


@dataclass(frozen=True, slots=True)
class Clone:
    """Plan: clone ``parent`` and grow the clone to ``size_bytes``."""

    parent: Snapshot
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CloneBase:
    """Plan: clone the image's ``base`` and grow that to ``size_bytes``."""

    base: Base
    size_bytes: int
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class BuildBase:
    """Plan: have the image's base built, then as :class:`CloneBase`."""

    size_bytes: int
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """Plan: fill a new volume of ``size_bytes`` with the image's bytes."""

    size_bytes: int
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Delegate:
    """Plan: leave the volume to Cinder's own path, a full copy."""

    refusals: tuple[Refusal, ...]


Plan = Clone | CloneBase | BuildBase | Stream | Delegate


class Method(enum.Enum):
    """How a volume came to its content."""

    CLONE = 'clone'
    #: Of a base that was there, or that another built meanwhile.
    CLONE_BASE = 'clone-base'
    #: Of a base that was built for it.
    BUILD_BASE = 'build-base'
    STREAM = 'stream'
    DELEGATE = 'delegate'


@dataclass(frozen=True, slots=True)
class Result:
    """What was done for one volume, and why."""

    volume_id: str
    image_id: str
    method: Method
    reason: str
    verification: Verification
    parent: SnapshotRef | None = None
    #: Where the bytes of a copy or of a base came from: of `cow_sources`.
    source: str | None = None
    #: Why it is no clone.
    refusals: tuple[Refusal, ...] = ()
    seconds: float = 0.0
    #: Bytes copied, not the volume's size: 0 for a clone.
    bytes_copied: int = 0

    def lasting(self, seconds: float) -> 'Result':
        """The same, with the time it took."""
        return replace(self, seconds=seconds)

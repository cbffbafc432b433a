# SPDX-License-Identifier: Apache-2.0

"""Can this image be cloned where it lies? Pure: the facts are handed in.

Two steps, since the facts of a snapshot cost a round trip and most refusals
need none: :func:`screen` says which snapshots are worth a look, and
:func:`judge` gives the verdict on what was seen there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cinder_cow.model import (
    ClonePolicy,
    ImageInfo,
    Refusal,
    RefusalCode,
    Snapshot,
    SnapshotRef,
    UnavailableReason,
    Verdict,
)
from cinder_cow.planning import location
from cinder_cow.planning.formats import RAW_FORMATS

#: Containers that add nothing around the disk. Glance has None while queued.
BARE_CONTAINERS = ('bare', None)
#: glance_store, _drivers/rbd.py, DEFAULT_SNAPNAME.
GLANCE_SNAPSHOT = 'snap'


@dataclass(frozen=True, slots=True)
class Screened:
    """Snapshots worth a look, in Glance's order, and what was refused."""

    candidates: tuple[SnapshotRef, ...] = ()
    refusals: tuple[Refusal, ...] = ()


def screen(image: ImageInfo, site: ClonePolicy) -> Screened:
    """What can be said of an image without asking the cluster."""
    refusals = [
        refusal
        for rule in _IMAGE_RULES
        if (refusal := rule(image, site)) is not None
    ]
    if refusals:
        return Screened(refusals=tuple(refusals))
    candidates: list[SnapshotRef] = []
    for url in image.locations:
        match location.parse(url):
            case SnapshotRef() as ref:
                refusal = trusted(ref, image, site)
                if refusal is None:
                    candidates.append(ref)
                else:
                    refusals.append(refusal)
            case Refusal() as refusal:
                refusals.append(refusal)
    return Screened(tuple(candidates), tuple(refusals))


def judge(
    screened: Screened,
    seen: Iterable[tuple[SnapshotRef, Snapshot | UnavailableReason]],
    site: ClonePolicy,
    clone_v2: bool,
) -> Verdict:
    """The verdict on what was seen of the candidates.

    The first cloneable one is the parent, wherever it stands in the list.

    :param clone_v2: whether clones are made in format 2 here, which needs no
        protected snapshot.
    """
    refusals = list(screened.refusals)
    parent = None
    for ref, found in seen:
        if isinstance(found, UnavailableReason):
            refusals.append(absent(ref, found, site))
        elif not (found.protected or clone_v2):
            refusals.append(_unprotected(ref))
        elif parent is None:
            parent = found
    return Verdict(parent, tuple(refusals))


def is_the_disk(image: ImageInfo) -> bool:
    """Whether the image's bytes are the disk's, and are there to be read."""
    return is_bare_and_active(image) and image.disk_format in RAW_FORMATS


def is_bare_and_active(image: ImageInfo) -> bool:
    """Whether the image's bytes are there to be read, and nothing else."""
    return (
        image.status == 'active' and image.container_format in BARE_CONTAINERS
    )


def trusted(
    ref: SnapshotRef, image: ImageInfo, site: ClonePolicy
) -> Refusal | None:
    """None when the location may be read in that cluster, else why not."""
    return _first(_location_rules(ref, image, site))


def _first(refusals: Iterable[Refusal | None]) -> Refusal | None:
    return next((r for r in refusals if r is not None), None)


# One small rule per refusal code: of the image ...


def _not_active(image: ImageInfo, _site: ClonePolicy) -> Refusal | None:
    if image.status == 'active':
        return None
    return Refusal(
        RefusalCode.NOT_ACTIVE,
        f'The image has the status {image.status!r}',
        'Wait until it is active, or reactivate it:'
        ' openstack image set --activate IMAGE',
    )


def _not_raw(image: ImageInfo, _site: ClonePolicy) -> Refusal | None:
    if image.disk_format in RAW_FORMATS:
        return None
    return Refusal(
        RefusalCode.NOT_RAW,
        f'The disk format is {image.disk_format!r}, and only these can be'
        f' cloned: {", ".join(RAW_FORMATS)}',
        'A raw image in this cluster needs no conversion, not even the first'
        ' time: qemu-img convert -O raw IMAGE IMAGE.raw; or turn on the'
        ' image_conversion plugin of Glance',
    )


def _container_format(image: ImageInfo, _site: ClonePolicy) -> Refusal | None:
    if image.container_format in BARE_CONTAINERS:
        return None
    return Refusal(
        RefusalCode.CONTAINER_FORMAT,
        f'The container format is {image.container_format!r}, not bare',
        'Upload the disk itself with --container-format bare',
    )


def _signed(image: ImageInfo, site: ClonePolicy) -> Refusal | None:
    if not (image.signed and site.verify_signatures):
        return None
    return Refusal(
        RefusalCode.SIGNED,
        'The image is signed and verify_glance_signatures is enabled: all'
        ' its bytes must be read, and a clone reads none',
        'Use an unsigned copy of the image, or set'
        ' verify_glance_signatures = disabled in cinder.conf',
    )


def _no_location(image: ImageInfo, _site: ClonePolicy) -> Refusal | None:
    if image.locations:
        return None
    return Refusal(
        RefusalCode.NO_LOCATION,
        'Glance shows no location of the image',
        'Add a [glance] section to cinder.conf whose user has the roles'
        ' service and admin (Glance 2024.2 or newer). Before that, set'
        ' show_image_direct_url = True in a glance-api that only services'
        ' reach',
        misconfigured=True,
    )


_IMAGE_RULES: tuple[
    Callable[[ImageInfo, ClonePolicy], Refusal | None], ...
] = (_not_active, _not_raw, _container_format, _signed, _no_location)


# ... of one of its locations ...


def _location_rules(
    ref: SnapshotRef, image: ImageInfo, site: ClonePolicy
) -> Iterable[Refusal | None]:
    yield _other_cluster(ref, site)
    yield _pool_not_allowed(ref, site)
    if site.strict_locations:
        yield _not_glance_image(ref, image)
        yield _not_glance_snapshot(ref)


def _other_cluster(ref: SnapshotRef, site: ClonePolicy) -> Refusal | None:
    if ref.fsid == site.fsid:
        return None
    return Refusal(
        RefusalCode.OTHER_CLUSTER,
        f'The image lies in the cluster {ref.fsid}, the volumes in'
        f' {site.fsid}',
        'Copy it into an rbd store of this cluster: glance image-import'
        ' --import-method copy-image --stores STORE IMAGE',
    )


def _pool_not_allowed(ref: SnapshotRef, site: ClonePolicy) -> Refusal | None:
    if site.image_pools:
        allowed = ref.pool in site.image_pools
        rule = f'cow_image_pools = {", ".join(site.image_pools)}'
    else:
        own = {site.pool, site.base_pool}
        allowed = ref.pool not in own
        rule = f"any but the volumes' own pool {site.pool}"
        if site.base_pool:
            rule += f' and that of their bases, {site.base_pool}'
    if allowed:
        return None
    return Refusal(
        RefusalCode.POOL_NOT_ALLOWED,
        f'The location {ref} lies in the pool {ref.pool!r}, and allowed is'
        f' {rule}',
        'If Glance stores images there, add the pool to cow_image_pools',
        misconfigured=True,
    )


def _not_glance_image(ref: SnapshotRef, image: ImageInfo) -> Refusal | None:
    if ref.image == image.image_id:
        return None
    return Refusal(
        RefusalCode.NOT_GLANCE_IMAGE,
        f'The location {ref} does not bear the name that Glance would give,'
        f' {image.image_id!r}',
        'Somebody wrote this location by hand: it may point at data of'
        ' another project. Upload the image anew; if such locations are your'
        ' own, set cow_strict_locations = False',
        misconfigured=True,
    )


def _not_glance_snapshot(ref: SnapshotRef) -> Refusal | None:
    if ref.snapshot == GLANCE_SNAPSHOT:
        return None
    return Refusal(
        RefusalCode.NOT_GLANCE_SNAPSHOT,
        f'The location {ref} names the snapshot {ref.snapshot!r}, and Glance'
        f' makes {GLANCE_SNAPSHOT!r}',
        'Upload the image anew; if such locations are your own, set'
        ' cow_strict_locations = False',
        misconfigured=True,
    )


# ... and of what the cluster showed.


def absent(
    ref: SnapshotRef, absence: UnavailableReason, site: ClonePolicy
) -> Refusal:
    """Why a snapshot cannot be used that was looked for."""
    match absence:
        case UnavailableReason.DENIED:
            return _not_readable(ref, site)
        case UnavailableReason.NO_POOL:
            code = RefusalCode.POOL_MISSING
        case UnavailableReason.NO_IMAGE:
            code = RefusalCode.IMAGE_MISSING
        case UnavailableReason.NO_SNAPSHOT:
            code = RefusalCode.SNAPSHOT_MISSING
    return Refusal(
        code,
        f'There is no {ref}: {absence.value}',
        "The image's data is not where Glance says: upload the image anew",
        misconfigured=True,
    )


def _not_readable(ref: SnapshotRef, site: ClonePolicy) -> Refusal:
    return Refusal(
        RefusalCode.POOL_NOT_READABLE,
        f'client.{site.user} may not read {ref}',
        caps_remedy(site, ref.pool),
        misconfigured=True,
    )


def caps_remedy(site: ClonePolicy, image_pool: str) -> str:
    """The command that lets our user read a pool of images."""
    return (
        f"Let it: ceph auth caps client.{site.user} mon 'profile rbd' osd"
        f" 'profile rbd pool={site.pool}, profile rbd-read-only"
        f" pool={image_pool}' mgr 'profile rbd pool={site.pool}' (these caps"
        f' replace the old ones: add what else the user needs)'
    )


def _unprotected(ref: SnapshotRef) -> Refusal:
    return Refusal(
        RefusalCode.SNAPSHOT_UNPROTECTED,
        f'The snapshot {ref} is not protected, and this cluster makes clones'
        f' of format 1, which need that',
        f'rbd snap protect {ref}; or, where all clients are mimic or newer,'
        f' ceph osd set-require-min-compat-client mimic',
        misconfigured=True,
    )

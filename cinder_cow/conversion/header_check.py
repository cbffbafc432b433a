# SPDX-License-Identifier: Apache-2.0

"""Whether an image is of its declared format, whole, and refers to itself.

An image that names another file as its backing or data file would have QEMU
read that file of the host, or another project's volume. This check comes
before QEMU sees the image, and is the first of three walls: see
doc/source/security.rst.
"""

from collections.abc import Collection
import struct

from cinder_cow import errors, native
from cinder_cow.backends.base_store import Readable
from cinder_cow.conversion import (
    detection,
    ploop,
    qcow2,
    truncation,
    vdi,
    vmdk,
)
from cinder_cow.conversion.unsafe import UnsafeImage
from cinder_cow.model import ImageInfo

_REMEDY = 'Upload it anew, flattened by qemu-img convert'
#: Most that detection looks at.
_HEAD_BYTES = 2**20
#: Formats that oslo.utils has checks of its own for: a second opinion.
_SECOND_OPINION = ('qcow2', 'vmdk', 'vhdx', 'vdi')
_VHD_FIXED, _VHD_DYNAMIC = 2, 3

_Header = qcow2.Header | vmdk.Header | vdi.Header | ploop.Header


@native.in_thread
def require_safe(
    image: ImageInfo,
    content: Readable,
    volume_bytes: int | None = None,
    vmdk_types: Collection[str] = vmdk.ONE_FILE_TYPES,
) -> None:
    """Look at its header and at its tables, not at its data.

    Takes a few seconds and 64 MiB of memory at most, in a native thread.

    :param volume_bytes: what the disk in it has to fit into.
    :param vmdk_types: Cinder's option `vmdk_allowed_types`.
    :raises ImageUnacceptable: when it is of another format, refers to other
        files, needs what is not known here, is encrypted or is cut off.
    :raises ImageTooBig: when it does not fit into the volume.
    :raises StorageError: when it cannot be read.
    """
    try:
        _require_format(image, content)
        header = _header(image, content, vmdk_types)
        if header is not None:
            _require_fits(image, header, volume_bytes)
            _require_whole(content, header)
        if image.disk_format in _SECOND_OPINION:
            detection.require_safe(image.disk_format, content)
    except UnsafeImage as exc:
        raise errors.ImageUnacceptable(
            image.image_id, f'{exc}. {_REMEDY}'
        ) from exc


def disk_bytes(image: ImageInfo, content: Readable) -> int | None:
    """Of the disk in a safe image; None where only QEMU can say.

    A run of qemu-img costs 0.1 s. QEMU, docs/interop/qcow2.txt: bytes 24 to
    31, big-endian.
    """
    if image.disk_format != 'qcow2':
        return None
    return int.from_bytes(content.read_at(24, 8), 'big')


def _require_format(image: ImageInfo, content: Readable) -> None:
    """Of the declared format, and of no other at the same time."""
    found = set(detection.containers(content.read_at(0, _HEAD_BYTES)))
    if image.disk_format == 'vhd' and _is_vhd(_vhd_footer(content)):
        found.add('vhd')  # a fixed one has this at its end alone
    if found != {image.disk_format}:
        what = ' and '.join(sorted(found)) or 'of no format that is known here'
        raise UnsafeImage(
            f'it is declared {image.disk_format}, and its content is {what}'
        )


def _header(
    image: ImageInfo, content: Readable, vmdk_types: Collection[str]
) -> _Header | None:
    """What our own reading says; None where it says no size."""
    match image.disk_format:
        case 'qcow2':
            return qcow2.check(content)
        case 'vmdk':
            return vmdk.check(content, vmdk_types)
        case 'vdi':
            return vdi.check(content)
        case 'ploop':
            return ploop.check(content)
        case 'qed':
            _check_qed(content)
        case 'vhd':
            _check_vhd(content)
    return None


def _require_whole(content: Readable, header: _Header) -> None:
    match header:
        case qcow2.Header():
            truncation.require_whole_qcow2(content, header)
        case vmdk.Header():
            truncation.require_whole_vmdk(content, header)
        case vdi.Header():
            truncation.require_whole_vdi(content, header)
        case ploop.Header():
            truncation.require_whole_ploop(content, header)


def _require_fits(
    image: ImageInfo, header: _Header, volume_bytes: int | None
) -> None:
    size = header.virtual_bytes
    if volume_bytes is not None and size > volume_bytes:
        raise errors.ImageTooBig(image.image_id, size, volume_bytes)


def _check_qed(content: Readable) -> None:
    # docs/interop/qed_spec.rst: 1 is a backing file, 2 an image that was not
    # closed, 4 the backing file's format.
    head = content.read_at(0, 64).ljust(64, b'\0')
    (features,) = struct.unpack_from('<Q', head, 16)
    if features & ~2:
        raise UnsafeImage(
            f'it has a backing file or unknown features ({features})'
        )


def _is_vhd(sector: bytes) -> bool:
    return sector.startswith(b'conectix')


def _vhd_footer(content: Readable) -> bytes:
    return content.read_at(max(0, content.size_bytes - 512), 512)


def _check_vhd(content: Readable) -> None:
    footer = content.read_at(0, 512)
    if not _is_vhd(footer):
        footer = _vhd_footer(content)
    (kind,) = struct.unpack_from('>I', footer.ljust(64, b'\0'), 60)
    if kind not in (_VHD_FIXED, _VHD_DYNAMIC):
        # 4 is a difference to a parent.
        raise UnsafeImage(
            f'it is a vhd of the type {kind}, not fixed or dynamic'
        )

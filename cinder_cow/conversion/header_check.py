# SPDX-License-Identifier: Apache-2.0

"""Whether an image is of its declared format, whole, and refers to itself.

An image that names another file as its backing or data file would have QEMU
read that file of the host, or another project's volume.
"""

import io
import struct
from typing import Any

from oslo_utils.imageutils import format_inspector

from cinder_cow import errors
from cinder_cow.backends.base_store import Readable
from cinder_cow.conversion import truncation
from cinder_cow.model import ImageInfo

_CHUNK_BYTES = 2**20
#: What a header needs at most; Hyper-V's own vhdx has all of it in 4 MiB.
_HEAD_BYTES = 64 * 2**20
#: The last marker, the footer and the end marker of a streamed vmdk.
_TAIL_BYTES = 1536
_PLOOP = (b'WithoutFreeSpace', b'WithouFreSpacExt')
_REMEDY = 'Upload it anew, flattened by qemu-img convert'


class _Unfit(Exception):
    """The image is not safe, or not what it says."""


def require_safe(image: ImageInfo, content: Readable) -> None:
    """Look at its header and at its tables, not at its data.

    :raises ImageUnacceptable: when it is of another format, refers to other
        files, needs what is not known here, is encrypted or is cut off.
    :raises StorageError: when it cannot be read.
    """
    head = content.read_at(0, _CHUNK_BYTES)
    try:
        match image.disk_format:
            case 'ploop':
                _require(image, head, head.startswith(_PLOOP))
            case 'qed':
                _require(image, head, head.startswith(b'QED\0'))
                _check_qed(head)
            case 'vhd':
                _check_vhd(image, head, content)
            case _:
                _inspect(image, head, content)
        truncation.require_whole(image, content)
    except (_Unfit, truncation.CutOff) as exc:
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


def _require(image: ImageInfo, head: bytes, matches: bool) -> None:
    if not matches:
        raise _Unfit(
            f'it is declared {image.disk_format}, and its content is'
            f' {_found(head)}'
        )


def _found(head: bytes) -> str:
    """The name of the format that the content is of."""
    if head.startswith(_PLOOP):
        return 'ploop'
    wrapper = format_inspector.InspectWrapper(io.BytesIO(head))
    wrapper.read(len(head))
    wrapper.close()
    found = sorted(str(each) for each in wrapper.formats or ())
    return ' and '.join(each for each in found if each != 'raw') or (
        'of no format that is known here'
    )


def _inspect(image: ImageInfo, head: bytes, content: Readable) -> None:
    """By oslo.utils, and what it does not look at by ourselves."""
    known = format_inspector.get_inspector(image.disk_format)
    if known is None:
        raise _Unfit(f'there is no check of the format {image.disk_format}')
    inspector = known()
    try:
        _feed(inspector, head, content)
        _require(image, head, inspector.format_match)
        inspector.safety_check()
    except format_inspector.SafetyCheckFailed as exc:
        reasons = '; '.join(map(str, exc.failures.values()))
        raise _Unfit(f'it is not safe to use: {reasons}') from exc
    except _Unfit:
        raise
    except Exception as exc:  # noqa: BLE001  parsers fail in many ways
        if isinstance(exc, errors.CowError):
            raise
        _require(image, head, _found(head) == image.disk_format)
        raise _Unfit(f'its header is damaged: {exc}') from exc
    match image.disk_format:
        case 'qcow2':
            _check_qcow2(head)
        case 'vmdk':
            _check_vmdk(inspector)


def _feed(inspector: Any, head: bytes, content: Readable) -> None:
    """Give it the head, more where it needs more, and then the end."""
    chunk, offset = head, 0
    while chunk:
        inspector.eat_chunk(chunk)
        offset += len(chunk)
        if offset >= _HEAD_BYTES or _has_head(inspector):
            break
        chunk = content.read_at(offset, _CHUNK_BYTES)
    if inspector.has_region('footer'):
        size = content.size_bytes
        start = max(0, size - _TAIL_BYTES)
        inspector.eat_chunk(content.read_at(start, size - start))
    inspector.finish()


def _has_head(inspector: Any) -> bool:
    """Whether at most the end is lacking."""
    regions = inspector.context_info
    return all(
        inspector.region(name).complete for name in regions if name != 'footer'
    )


def _check_qcow2(head: bytes) -> None:
    (method,) = struct.unpack_from('>I', head, 32)
    if method:
        raise _Unfit(f'it is encrypted (qcow2 crypt method {method})')


def _check_vmdk(inspector: Any) -> None:
    # QEMU opens what this names as the backing file; oslo.utils allows it.
    text = bytes(inspector.region('descriptor').data).lower()
    if b'parentfilenamehint' in text:
        raise _Unfit('it has a parent, which is another file')


def _check_qed(head: bytes) -> None:
    # docs/interop/qed_spec.rst: 1 is a backing file, 2 an image that was not
    # closed, 4 the backing file's format.
    (features,) = struct.unpack_from('<Q', head.ljust(24, b'\0'), 16)
    if features & ~2:
        raise _Unfit(f'it has a backing file or unknown features ({features})')


def _check_vhd(image: ImageInfo, head: bytes, content: Readable) -> None:
    """The footer, which a fixed vhd has at its end alone."""
    footer = head[:512]
    if not footer.startswith(b'conectix'):
        start = max(0, content.size_bytes - 512)
        footer = content.read_at(start, 512)
    _require(image, head, footer.startswith(b'conectix'))
    (kind,) = struct.unpack_from('>I', footer.ljust(64, b'\0'), 60)
    if kind not in (2, 3):  # fixed, dynamic; 4 is a difference to a parent
        raise _Unfit(f'it is a vhd of the type {kind}, not fixed or dynamic')

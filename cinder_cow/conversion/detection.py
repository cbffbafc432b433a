# SPDX-License-Identifier: Apache-2.0

"""What format some bytes are of, by oslo.utils' inspectors, which may fail.

They parse what an attacker wrote, and raise whatever their parsing happens to
raise. This is the one place that calls them. They read everything into
memory that they ask for: what they get is bounded here.
"""

from collections.abc import Callable, Iterator
import contextlib
import functools
from typing import Any

from oslo_utils.imageutils import format_inspector

from cinder_cow.backends.base_store import Readable
from cinder_cow.conversion import qcow2
from cinder_cow.conversion.unsafe import UnsafeImage

#: Formats that are no disk's bytes, by oslo.utils' names. What is none of
#: them may be anything: a partition table, an iso, a file system, LUKS.
CONTAINERS = frozenset({'qcow2', 'qed', 'vdi', 'vhd', 'vhdx', 'vmdk'})

_CHUNK_BYTES = 2**20
#: What a header needs at most; Hyper-V's own vhdx has all of it in 4 MiB.
_MOST_HEAD_BYTES = 16 * 2**20
#: How far on it may be. QEMU's vhdx has its metadata behind its table of
#: blocks, which has 512 MiB for 64 TiB in blocks of 1 MiB.
_FARTHEST_BYTES = 2**30
#: In the place of what the inspector does not want.
_SKIPPED = bytes(_CHUNK_BYTES)
#: Where the descriptor of a vmdk is, at most.
_DESCRIPTOR = slice(512, 129 * 512)
_ASCII = bytes(each if each < 0x80 else ord('?') for each in range(256))
#: Incompatible features of a qcow2, their lowest byte.
_QCOW2_FEATURES = 79
#: The last marker, the footer and the end marker of a streamed vmdk.
_TAIL_BYTES = 1536
#: Formats by bytes at an offset, for images that are damaged farther on.
_MAGIC = (
    ('qcow2', 0, b'QFI\xfb'),
    ('qed', 0, b'QED\0'),
    ('vmdk', 0, b'KDMV'),
    ('vhd', 0, b'conectix'),
    ('vhdx', 0, b'vhdxfile'),
    ('vdi', 0x40, b'\x7f\x10\xda\xbe'),
    ('ploop', 0, b'WithoutFreeSpace'),
    ('ploop', 0, b'WithouFreSpacExt'),
)


def containers(head: bytes) -> frozenset[str]:
    """The formats that these first bytes may be of. It never fails."""
    by_magic = {
        name for name, at, magic in _MAGIC if head.startswith(magic, at)
    }
    by_parser = {name for name in CONTAINERS if _begins(name, head)}
    return frozenset(by_magic | by_parser)


def _begins(name: str, head: bytes) -> bool:
    inspector = _inspector(name)
    # A failure of the parser: nothing that it would have said yes to.
    with contextlib.suppress(Exception):
        inspector.eat_chunk(head)
        inspector.finish()
        return bool(inspector.format_match)
    return False


def _inspector(name: str) -> Any:
    known = format_inspector.get_inspector(name)
    if known is None:
        raise UnsafeImage(f'there is no check of the format {name}')
    return known()


def require_safe(name: str, content: Readable) -> None:
    """Have oslo.utils' inspector look at the image, with all its checks.

    :raises UnsafeImage: when it is not of that format, or not safe, or so
        damaged that the inspector fails.
    :raises StorageError: when it cannot be read.
    """
    inspector = _inspector(name)
    for chunk in _chunks(name, inspector, content):
        _called(functools.partial(inspector.eat_chunk, chunk))
    _called(inspector.finish)
    if not _called(lambda: inspector.format_match):
        raise UnsafeImage(f'oslo.utils does not take it for a {name}')
    _called(inspector.safety_check)


def _called(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except format_inspector.SafetyCheckFailed as exc:
        reasons = '; '.join(map(str, exc.failures.values()))
        raise UnsafeImage(f'it is not safe to use: {reasons}') from exc
    except Exception as exc:  # noqa: BLE001  parsers fail in many ways
        raise UnsafeImage(f'its header is damaged: {exc}') from exc


def _chunks(name: str, inspector: Any, content: Readable) -> Iterator[bytes]:
    """The head, as much of it as is asked for, and then the end."""
    offset = read_bytes = 0
    while offset < _FARTHEST_BYTES and read_bytes < _MOST_HEAD_BYTES:
        if offset and not _wants(inspector, offset):
            chunk = _SKIPPED if offset < content.size_bytes else b''
        else:
            chunk = content.read_at(offset, _CHUNK_BYTES)
            read_bytes += len(chunk)
        if not chunk:
            break
        yield chunk if offset else _for_oslo(name, chunk)
        offset += len(chunk)
        if _has_head(inspector):
            break
    if inspector.has_region('footer'):
        start = max(0, content.size_bytes - _TAIL_BYTES)
        yield content.read_at(start, _TAIL_BYTES)


def _for_oslo(name: str, head: bytes) -> bytes:
    """Without what our own reading allows, and oslo.utils does not know.

    Names of a vmdk's extents that are not ASCII, and extended L2 entries of
    a qcow2.
    """
    changed = bytearray(head)
    if name == 'vmdk':
        changed[_DESCRIPTOR] = changed[_DESCRIPTOR].translate(_ASCII)
    elif name == 'qcow2' and len(head) > _QCOW2_FEATURES:
        changed[_QCOW2_FEATURES] &= ~qcow2.EXTENDED_L2 & 0xFF
    return bytes(changed)


def _wants(inspector: Any, offset: int) -> bool:
    """Whether any of the chunk at that offset is asked for."""
    regions = map(inspector.region, inspector.context_info)
    return any(
        not each.complete
        and each.offset < offset + _CHUNK_BYTES
        and offset <= each.offset + each.length
        for each in regions
    )


def _has_head(inspector: Any) -> bool:
    """Whether at most the end is lacking."""
    regions = inspector.context_info
    return all(
        inspector.region(name).complete for name in regions if name != 'footer'
    )

# SPDX-License-Identifier: Apache-2.0

"""Whether QEMU itself sees in an image what it is to be, and nothing more.

The second wall: `qemu-img info` opens the image as `qemu-img convert` does,
and says what it took it for. Nothing is converted that has a file but the
source, whatever the checks before thought of it.
"""

from collections.abc import Collection, Iterator, Mapping
import json
from typing import Any

from cinder_cow.backends.base_store import BlockDevice
from cinder_cow.conversion import vmdk
from cinder_cow.conversion.unsafe import UnsafeImage

#: More than any printed description of one image.
_MOST_CHARACTERS = 32 * 2**20
#: Names of other files, whatever they are.
_OTHER_FILES = (
    'backing-filename',
    'full-backing-filename',
    'backing-image',
    'data-file',
)


def virtual_size(
    output: str,
    driver: str,
    name: str,
    source: BlockDevice,
    vmdk_types: Collection[str],
) -> int:
    """Bytes of the disk that QEMU sees.

    :param output: of `qemu-img info --output=json`.
    :param driver: QEMU's name of the declared format.
    :param name: the file name that it was given for the source.
    :raises UnsafeImage: when QEMU sees another format, or another file.
    """
    found = _parsed(output)
    if found.get('format') != driver:
        raise UnsafeImage(
            f'QEMU takes it for {found.get("format")}, not {driver}'
        )
    for key, value in _entries(found):
        if key in _OTHER_FILES and value:
            raise UnsafeImage(f'QEMU sees another file in it: {key}')
        if key == 'filename' and not _is_source(value, name, source):
            raise UnsafeImage(f'QEMU sees another file in it: {value}')
    if driver == 'vmdk':
        _check_vmdk(found, vmdk_types)
    size = found.get('virtual-size')
    if type(size) is not int or size < 0:
        raise UnsafeImage(f'QEMU says that its virtual size is {size}')
    return size


def _parsed(output: str) -> dict[str, Any]:
    if len(output) > _MOST_CHARACTERS:
        raise UnsafeImage('QEMU has too much to say of it')
    try:
        found = json.loads(output)
    except (ValueError, RecursionError) as exc:
        raise UnsafeImage(f'what QEMU says of it is not JSON: {exc}') from None
    if not isinstance(found, dict):
        raise UnsafeImage('what QEMU says of it is not an object')
    return found


def _entries(found: object) -> Iterator[tuple[str, Any]]:
    """All keys and values, at any depth."""
    left = [found]
    while left:
        match left.pop():
            case dict() as entries:
                yield from entries.items()
                left.extend(entries.values())
            case list() as values:
                left.extend(values)


def _is_source(value: object, name: str, source: BlockDevice) -> bool:
    """Whether a file name of QEMU's is the source, or the file below it."""
    if value == name:
        return True
    options = source.options
    if options['driver'] == 'file':
        return bool(value == options['filename'])
    if not isinstance(value, str) or not value.startswith('json:'):
        return False
    try:
        node = json.loads(value.removeprefix('json:'))
    except (ValueError, RecursionError):
        return False
    return isinstance(node, dict) and _is_node(node, options)


def _is_node(node: Mapping[str, Any], options: Mapping[str, str]) -> bool:
    """QEMU writes a node anew: the source's, or the format's above it."""
    if 'file' in node:
        own = {key: value for key, value in node.items() if key != 'file'}
        inner = node['file']
        return (
            isinstance(inner, dict)
            and not any(isinstance(each, dict | list) for each in own.values())
            and own.get('backing') is None
            and _is_node(inner, options)
        )
    needed = {'driver', 'pool', 'image'} & set(options)
    return needed <= set(node) and all(
        options.get(key) == value for key, value in node.items()
    )


def _check_vmdk(
    found: Mapping[str, Any], allowed_types: Collection[str]
) -> None:
    """QEMU's own reading of createType, and its extents."""
    try:
        seen = found['format-specific']['data']
        create_type, extents = seen['create-type'], len(seen['extents'])
    except (KeyError, TypeError):
        raise UnsafeImage(
            'QEMU does not say what kind of vmdk it is'
        ) from None
    vmdk.require_type(create_type, allowed_types)
    if extents != 1:
        raise UnsafeImage(f'QEMU sees {extents} extents in it, not one')

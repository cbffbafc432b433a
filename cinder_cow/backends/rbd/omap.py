# SPDX-License-Identifier: Apache-2.0
"""Keys and values in the omap of one RADOS object.

Many hosts write to it at once: each key is written as a whole, and what is
written in one call is there at once.
"""

from collections.abc import Iterable, Iterator, Mapping
import contextlib

import rados

#: Keys read at once.
PAGE = 1000


def get(ioctx: rados.Ioctx, name: str, key: str) -> bytes | None:
    """The value; None where there is no such key, or no object."""
    with rados.ReadOpCtx() as operation:
        found, _status = ioctx.get_omap_vals_by_keys(operation, (key,))
        try:
            ioctx.operate_read_op(operation, name)
        except rados.ObjectNotFound:
            return None
        return dict(found).get(key)


def items(
    ioctx: rados.Ioctx, name: str, prefix: str = ''
) -> Iterator[tuple[str, bytes]]:
    """All keys that begin so, in order, with their values."""
    after = ''
    with contextlib.suppress(rados.ObjectNotFound):
        while page := _page(ioctx, name, after, prefix, PAGE):
            yield from page
            after, _value = page[-1]


def write(
    ioctx: rados.Ioctx,
    name: str,
    values: Mapping[str, bytes],
    removed: Iterable[str] = (),
) -> None:
    """Set those values, and remove those keys, in one step."""
    gone = tuple(removed)
    with rados.WriteOpCtx() as operation:
        if gone:
            ioctx.remove_omap_keys(operation, gone)
        if values:
            ioctx.set_omap(operation, tuple(values), tuple(values.values()))
        ioctx.operate_write_op(operation, name)


def remove(ioctx: rados.Ioctx, name: str, keys: Iterable[str]) -> None:
    """Remove those keys, and the object with the last one."""
    with contextlib.suppress(rados.ObjectNotFound):
        # Reads first: to remove a key makes the object where there is none.
        if _page(ioctx, name, '', '', 1):
            write(ioctx, name, {}, removed=keys)
        if not _page(ioctx, name, '', '', 1):
            remove_unless_changed(ioctx, name)


def remove_unless_changed(ioctx: rados.Ioctx, name: str) -> None:
    """Since it was last read by that very `ioctx`: nobody else uses it."""
    with rados.WriteOpCtx() as operation:
        operation.assert_version(ioctx.get_last_version())
        operation.remove()
        # ERANGE, of no class of its own, when there is a new key.
        with contextlib.suppress(rados.OSError):
            ioctx.operate_write_op(operation, name)


def _page(
    ioctx: rados.Ioctx, name: str, after: str, prefix: str, most: int
) -> list[tuple[str, bytes]]:
    with rados.ReadOpCtx() as operation:
        found, _status = ioctx.get_omap_vals(operation, after, prefix, most)
        ioctx.operate_read_op(operation, name)
        return list(found)

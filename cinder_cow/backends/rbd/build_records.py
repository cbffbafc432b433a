# SPDX-License-Identifier: Apache-2.0
"""Notes on builds, in the omap of one RADOS object of the bases' pool."""

import contextlib
import dataclasses
import json

from oslo_log import log as logging
import rados

from cinder_cow.backends.base_store import BuildRecord

LOG = logging.getLogger(__name__)

OBJECT = 'cow_builds'
#: Read at once. There is one for each base that is being built, or could not.
PAGE = 1000


def read(ioctx: rados.Ioctx, name: str) -> BuildRecord | None:
    """What is noted under that name."""
    with rados.ReadOpCtx() as operation:
        found, _status = ioctx.get_omap_vals_by_keys(operation, (name,))
        try:
            ioctx.operate_read_op(operation, OBJECT)
        except rados.ObjectNotFound:
            return None
        values = dict(found)
    return _note(name, values[name]) if name in values else None


def write(ioctx: rados.Ioctx, name: str, note: BuildRecord) -> None:
    """BuildRecord it in place of what was there."""
    text = json.dumps(dataclasses.asdict(note))
    with rados.WriteOpCtx() as operation:
        ioctx.set_omap(operation, (name,), (text.encode(),))
        ioctx.operate_write_op(operation, OBJECT)


def strike(ioctx: rados.Ioctx, name: str) -> None:
    """Remove the note, and the object with the last one."""
    with contextlib.suppress(rados.ObjectNotFound):
        with rados.WriteOpCtx() as operation:
            ioctx.remove_omap_keys(operation, (name,))
            ioctx.operate_write_op(operation, OBJECT)
        if not _page(ioctx, after='', most=1):
            _remove_unless_changed(ioctx)


def read_all(ioctx: rados.Ioctx) -> dict[str, BuildRecord]:
    """All notes, by their names."""
    notes: dict[str, BuildRecord] = {}
    after = ''
    with contextlib.suppress(rados.ObjectNotFound):
        while page := _page(ioctx, after, PAGE):
            for name, value in page:
                after = name
                note = _note(name, value)
                if note is not None:
                    notes[name] = note
    return notes


def _page(
    ioctx: rados.Ioctx, after: str, most: int
) -> list[tuple[str, bytes]]:
    with rados.ReadOpCtx() as operation:
        found, _status = ioctx.get_omap_vals(operation, after, '', most)
        ioctx.operate_read_op(operation, OBJECT)
        return list(found)


def _remove_unless_changed(ioctx: rados.Ioctx) -> None:
    """Since it was last read by that very `ioctx`: nobody else uses it."""
    with rados.WriteOpCtx() as operation:
        operation.assert_version(ioctx.get_last_version())
        operation.remove()
        # ERANGE, of no class of its own, when there is a new note.
        with contextlib.suppress(rados.OSError):
            ioctx.operate_write_op(operation, OBJECT)


def _note(name: str, value: bytes) -> BuildRecord | None:
    try:
        told = dict(json.loads(value))
        fields = {field.name for field in dataclasses.fields(BuildRecord)}
        return BuildRecord(**{key: told[key] for key in fields & set(told)})
    except (ValueError, TypeError) as exc:
        LOG.warning('The note on the base %s is damaged: %s', name, exc)
        return None

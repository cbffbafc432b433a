# SPDX-License-Identifier: Apache-2.0
"""How a volume came to its content, where Cinder's API shows it.

The text in ``provider_id`` is for administrators. Of what uses an RBD volume,
Cinder 24 to 29 only stores it and shows it; a test looks whether that is still
so. The same in the metadata, where that is wanted, is for the owner.
"""

from typing import Any

from cinder.db import api as db
from oslo_log import log as logging

from cinder_cow.model import Method, Result

LOG = logging.getLogger(__name__)

PREFIX = 'cow'
#: Of the column in Cinder's database.
MOST_CHARACTERS = 255
METHOD_KEY = 'cow_method'
REASON_KEY = 'cow_reason'


def provider_id(result: Result) -> str:
    """A short stable text: `cow:clone`, or `cow:METHOD:CODE,CODE`."""
    start = f'{PREFIX}:{result.method.value}'
    if result.method is Method.CLONE:
        return start
    return f'{start}:{_cut(result.reason, MOST_CHARACTERS - len(start) - 1)}'


def write_metadata(context: Any, volume: Any, result: Result) -> None:
    """Merge it into the volume's metadata, in the database.

    What the owner has set stays. A failure is a warning: the volume is made.

    :param volume: its ``provider_id`` says what may have been written before.
    """
    try:
        there = db.volume_metadata_get(context, volume.id)
        before = _metadata_of(volume.provider_id)
        ours = {
            key: value
            for key, value in _metadata(result).items()
            if there.get(key) == before.get(key)
        }
        # Not by the volume: Cinder would delete what was added since.
        db.volume_metadata_update(context, volume.id, ours, False)
    except Exception as exc:  # noqa: BLE001  whatever the database has
        LOG.warning(
            'volume=%s its metadata could not be written, see the INFO line'
            ' for how it was made: %s',
            volume.id,
            exc,
        )


def _metadata(result: Result) -> dict[str, str]:
    return {
        METHOD_KEY: result.method.value,
        REASON_KEY: _cut(result.reason, MOST_CHARACTERS),
    }


def _metadata_of(provider_id: str | None) -> dict[str, str]:
    """What was written together with that text."""
    prefix, _, origin = (provider_id or '').partition(':')
    if prefix != PREFIX:
        return {}
    method, _, reason = origin.partition(':')
    return {METHOD_KEY: method, REASON_KEY: reason or 'cloneable'}


def _cut(codes: str, most: int) -> str:
    """As many whole codes as fit, the first ones."""
    while len(codes) > most:
        codes = codes.rpartition(',')[0]
    return codes

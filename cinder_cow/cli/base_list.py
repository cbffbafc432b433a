# SPDX-License-Identifier: Apache-2.0
"""The commands `cinder-cow base list` and `cinder-cow base show`."""

import argparse
from collections.abc import Iterable
import time
from typing import Any

from cliff import lister, show

from cinder_cow import errors
from cinder_cow.backends.base_store import BaseStore, StoredBase
from cinder_cow.base_images import eviction
from cinder_cow.cli import base_selection
from cinder_cow.cli.base_selection import ShortNames, store_of
from cinder_cow.cli.columns import (
    MOST_CHARACTERS,
    Bytes,
    ImageIds,
    Seconds,
    Short,
    Words,
    Wrapped,
    moment,
)
from cinder_cow.cli.of_backend import OfBackend

#: They fit into 100 columns.
COLUMNS = ('Name', 'Image IDs', 'Bytes', 'Children', 'Saved', 'Idle')
FAILED_COLUMNS = ('Name', 'Image ID', 'Failures', 'When', 'Cause')
LONG_COLUMNS = (
    'Name',
    'Image IDs',
    'Format',
    'Bytes',
    'Children',
    'Shared',
    'Saved',
    'Created',
    'Last used',
    'Idle',
    'Verification',
)
#: Of a cause in a table, and of a name where it stands alone.
CAUSE_WIDTH = 27
NAME_WIDTH = 64


class List(OfBackend, lister.Lister):
    """List the base images, the least recently used first.

    Short names are shown to people; the other commands take them. Programs
    (-f json) get the whole names.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--long',
            action='store_true',
            help='Show whole names and ids, and more columns.',
        )
        parser.add_argument(
            '--failed',
            action='store_true',
            help='List builds that failed and were not tried again since, and'
            ' why. A sweep forgets them after an hour.',
        )
        return parser

    def take_action(
        self, args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]:
        store = store_of(self.section(args))
        if args.failed:
            return FAILED_COLUMNS, _failed(store, args.long)
        bases = sorted(store.recorded_bases(), key=lambda each: each.last_used)
        facts = [_facts(store, each) for each in bases]
        chosen: tuple[str, ...] = LONG_COLUMNS
        if not args.long:
            chosen, short = COLUMNS, ShortNames(each.name for each in bases)
            for base, known in zip(bases, facts, strict=True):
                known['Name'] = short.column(base.name)
                known['Image IDs'] = ImageIds(eviction.images_of(base))
        return chosen, [
            tuple(known[column] for column in chosen) for known in facts
        ]


class Show(OfBackend, show.ShowOne):
    """Show how one base image was made, and who uses it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'name', metavar='NAME', help=base_selection.NAME_HELP
        )
        return parser

    def take_action(
        self, args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        store = store_of(self.section(args))
        base = base_selection.find(store, args.name)
        info = base.info
        known = {
            **_facts(store, base),
            'Made of image': info.image_id,
            'Hash': Wrapped(
                f'{info.hash_algo}:{info.hash_value}'
                if info.hash_value
                else '',
                NAME_WIDTH,
            ),
            'Owner': info.owner or '',
            'Source': info.source,
            'Signature verified': info.signature_verified,
            'Seconds': round(info.seconds, 3),
            'Version': info.version,
        }
        known['Name'] = Wrapped(base.name, NAME_WIDTH)
        return tuple(known), tuple(known.values())


def _facts(store: BaseStore, base: StoredBase) -> dict[str, Any]:
    """What is shown of a base, by the names of the columns."""
    children, stored_bytes = store.children(base.name), base.info.stored_bytes
    return {
        'Name': base.name,
        'Image IDs': Words(eviction.images_of(base)),
        'Format': base.info.disk_format,
        'Bytes': Bytes(stored_bytes),
        'Children': children,
        'Shared': Bytes(children * stored_bytes),
        # The base itself is one copy.
        'Saved': Bytes(max(0, children - 1) * stored_bytes),
        'Created': moment(base.info.created),
        'Last used': moment(base.last_used),
        'Idle': Seconds(max(0, int(time.time() - base.last_used))),
        'Verification': base.info.verification.value,
    }


def _failed(store: BaseStore, whole: bool) -> list[tuple[Any, ...]]:
    """The last failed first."""
    records = {
        name: record
        for name, record in store.build_records().items()
        if record.kind
    }
    short = ShortNames(records)
    return [
        (
            name if whole else short.column(name),
            record.image_id if whole else Short(record.image_id),
            record.failures,
            moment(record.written),
            errors.printable(record.cause, MOST_CHARACTERS)
            if whole
            else Wrapped(record.cause, CAUSE_WIDTH),
        )
        for name, record in sorted(
            records.items(), key=lambda item: item[1].written, reverse=True
        )
    ]

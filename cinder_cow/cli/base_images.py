# SPDX-License-Identifier: Apache-2.0
"""The commands `cinder-cow base ...`."""

import argparse
from collections.abc import Iterable, Iterator
import time
from typing import Any

from cliff import lister, show

from cinder_cow import backends, errors, wiring
from cinder_cow.backends.base_store import BaseStore, StoredBase
from cinder_cow.base_images import eviction, sweep
from cinder_cow.base_images.eviction import Outcome
from cinder_cow.cli.columns import Bytes, Seconds, Words, moment
from cinder_cow.cli.configuration import Section
from cinder_cow.cli.failures import CommandFailed
from cinder_cow.cli.of_backend import OfBackend

COLUMNS = (
    'Name',
    'Image IDs',
    'Format',
    'Bytes',
    'Created',
    'Last used',
    'Idle',
    'Children',
    'Verification',
)
GONE = ('Name', 'Image IDs', 'Action', 'Reason', 'Bytes', 'Idle')


class List(OfBackend, lister.Lister):
    """List the base images, the least recently used first."""

    def take_action(
        self, args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]:
        store = store_of(self.section(args))
        bases = sorted(store.stored_bases(), key=lambda each: each.last_used)
        return COLUMNS, [_row(store, each) for each in bases]


class Show(OfBackend, show.ShowOne):
    """Show how one base image was made, and who uses it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('name', metavar='NAME')
        return parser

    def take_action(
        self, args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        store = store_of(self.section(args))
        base = _found(store, args.name)
        info = base.info
        more = {
            'Made of image': info.image_id,
            'Hash': f'{info.hash_algo}:{info.hash_value}'
            if info.hash_value
            else '',
            'Owner': info.owner or '',
            'Source': info.source,
            'Signature verified': info.signature_verified,
            'Seconds': round(info.seconds, 3),
            'Version': info.version,
        }
        return (*COLUMNS, *more), (*_row(store, base), *more.values())


class Evict(OfBackend):
    """Remove base images that no volume needs."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('names', metavar='NAME', nargs='+')
        parser.add_argument(
            '--retire',
            action='store_true',
            help='Also those that volumes need: no further volume is made'
            ' of them, and a sweep removes them after their last child.',
        )
        return parser

    def take_action(self, args: argparse.Namespace) -> int:
        store = store_of(self.section(args))
        failed = False
        for name in args.names:
            try:
                self.app.stdout.write(f'{_evict(store, name, args.retire)}\n')
            except errors.CowError as exc:
                self.app.LOG.error('%s', exc)
                failed = True
        store.purge()
        return int(failed)


class Sweep(OfBackend, lister.Lister):
    """Remove base images beyond the limits, and abandoned builds."""

    _failed = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--dry-run',
            action='store_true',
            help='Only show what would be removed.',
        )
        parser.add_argument(
            '--max-bytes',
            type=_at_least_0,
            metavar='N',
            help='In place of cow_base_max_bytes.',
        )
        parser.add_argument(
            '--max-idle-seconds',
            type=_at_least_0,
            metavar='N',
            help='In place of cow_base_max_idle_seconds.',
        )
        return parser

    def take_action(
        self, args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]:
        section = self.section(args)
        limits = wiring.eviction_limits(_with_arguments(section, args))
        swept = sweep.sweep(
            store_of(section), limits, lambda _ids: set(), dry_run=args.dry_run
        )
        if swept is None:
            raise CommandFailed(
                'Another process is sweeping at this moment. Try again.'
            )
        self._failed = bool(swept.failures)
        return GONE, list(_rows(swept))

    def run(self, parsed_args: argparse.Namespace) -> int:
        """The table comes first: what failed is on stderr."""
        return super().run(parsed_args) or int(self._failed)


def store_of(section: Section) -> BaseStore:
    """Where the backend keeps its bases.

    :raises PluginNotLoadable: when there is no such backend.
    :raises CommandFailed: when it keeps none.
    """
    backend = backends.from_options(section)
    store = backend.bases()
    if store is None:
        raise CommandFailed(
            f'The backend {section.cow_backend} of [{section.name}] keeps no'
            f' base images.'
        )
    return store


def _found(store: BaseStore, name: str) -> StoredBase:
    for base in store.stored_bases():
        if base.name == name:
            return base
    record = store.build_record(name)
    why = ''
    if record is not None and record.kind:
        why = f' Its last build failed: {record.cause.rstrip(".")}.'
    raise CommandFailed(
        f'There is no base image {name}.{why} See `cinder-cow base list`.'
    )


def _evict(store: BaseStore, name: str, retire: bool) -> str:
    """What was done."""
    base = _found(store, name)
    match eviction.evict(store, name, even_with_children=retire):
        case Outcome.LEASED:
            raise CommandFailed(
                f'{name} was not evicted: another process is building or'
                f' evicting it at this moment. Try again.'
            )
        case Outcome.HAS_CHILDREN:
            raise CommandFailed(
                f'{name} was not evicted: there are volumes that were cloned'
                f' from it. With --retire no further ones are made, and it is'
                f' removed after the last of them.'
            )
        case Outcome.RETIRED:
            return f'{name}: retired; removed by a sweep after its last child'
        case Outcome.EVICTED:
            return f'{name}: evicted, {Bytes(base.info.stored_bytes)}'


def _row(store: BaseStore, base: StoredBase) -> tuple[Any, ...]:
    return (
        base.name,
        Words(eviction.images_of(base)),
        base.info.disk_format,
        Bytes(base.info.stored_bytes),
        moment(base.info.created),
        moment(base.last_used),
        Seconds(max(0, int(time.time() - base.last_used))),
        store.has_children(base.name),
        base.info.verification.value,
    )


def _rows(swept: sweep.SweepResult) -> Iterator[tuple[Any, ...]]:
    for action, gone in (
        ('evicted', swept.evicted),
        ('retired', swept.retired),
    ):
        for each in gone:
            yield (
                each.name,
                Words(each.image_ids),
                action,
                each.reason.value,
                Bytes(each.stored_bytes),
                Seconds(int(each.idle_seconds)),
            )
    for reason, names in (
        ('abandoned-build', swept.abandoned_builds),
        ('retired-before', swept.purged),
    ):
        for name in names:
            yield name, Words(()), 'removed', reason, None, None


def _with_arguments(
    section: Section, args: argparse.Namespace
) -> wiring.Options:
    """The section, with what the command line says in its place."""
    given = {
        'cow_base_max_bytes': args.max_bytes,
        'cow_base_max_idle_seconds': args.max_idle_seconds,
    }
    return wiring.Options(
        section,
        **{name: each for name, each in given.items() if each is not None},
    )


def _at_least_0(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError('must be 0 or more')
    return number

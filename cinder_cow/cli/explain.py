# SPDX-License-Identifier: Apache-2.0
"""The command `cinder-cow explain`."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
import concurrent.futures
import contextlib
import sys
import textwrap
from typing import Any

from cliff import lister
from cliff.formatters import base as formatters
from keystoneauth1 import exceptions as keystone_errors
from rich import console, progress

from cinder_cow import errors
from cinder_cow.cli import explain_text, glance_access, image_lookup
from cinder_cow.cli.columns import Bytes
from cinder_cow.cli.configuration import Section
from cinder_cow.cli.explain_text import Told
from cinder_cow.cli.explanation import Explainer, Outline, VolumeAsked
from cinder_cow.cli.failures import CommandFailed
from cinder_cow.cli.glance_access import GlanceLogin
from cinder_cow.cli.of_backend import OfBackend

COLUMNS = ('Image', 'Name', 'Format', 'Size', 'Store', 'Plan', 'Reason')
#: With these, and the columns that need what they need, a table has 100.
NAME_WIDTH, STORE_WIDTH, REASON_WIDTH = 20, 8, 18
#: The plan of an image that could not be asked for.
UNKNOWN = 'unknown'
#: Questions to Glance at once: it answers each in some 10 ms.
THREADS = 8

Row = tuple[Any, ...]


class Explain(OfBackend, lister.Lister):
    """Tell how a volume would be made of an image now, and why so."""

    _failed = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        images = parser.add_mutually_exclusive_group(required=True)
        images.add_argument(
            'image',
            metavar='IMAGE',
            nargs='?',
            help='Its id, a beginning of that of 8 characters or more, or its'
            ' name.',
        )
        images.add_argument(
            '--all',
            action='store_true',
            help='A line for each image that Glance has.',
        )
        parser.add_argument(
            '--size',
            type=_at_least_1,
            metavar='GIB',
            help='Of the volume. Without it the smallest that the image fits'
            ' into.',
        )
        parser.add_argument(
            '--replicated',
            action='store_true',
            help='The volume type is replicated (replication_enabled).',
        )
        parser.add_argument(
            '--long',
            action='store_true',
            help='With --all: whole ids, names and reasons, whatever the width'
            ' of the table.',
        )
        return parser

    def take_action(
        self, args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        if not (
            args.all or isinstance(self.formatter, formatters.SingleFormatter)
        ):
            raise CommandFailed(
                f'-f {args.formatter} is for --all. One image is told by -f'
                f' table, json, yaml or value.'
            )
        section = self.section(args)
        login = glance_access.login(section)
        asked = VolumeAsked(args.size, args.replicated)
        explainer = Explainer(section, login, asked)
        if args.all:
            return COLUMNS, self._table(explainer, login, args.long)
        with _answered(login):
            record = image_lookup.find(login, args.image)
            asker = _asker(section, login)
            told = explain_text.rows(explainer.explain(record), asker)
        return tuple(told), tuple(told.values())

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Iterable[Any],
    ) -> int:
        if parsed_args.all:
            return super().produce_output(parsed_args, column_names, data)
        assert isinstance(self.formatter, formatters.SingleFormatter)
        columns, selector = self._generate_columns_and_selector(
            parsed_args, column_names
        )
        if selector:
            data = list(self._compress_iterable(data, selector))
        self.formatter.emit_one(
            columns, list(data), self.app.stdout, parsed_args
        )
        return 0

    def run(self, parsed_args: argparse.Namespace) -> int:
        """The table comes first: what failed is on stderr."""
        return super().run(parsed_args) or int(self._failed)

    def _table(
        self, explainer: Explainer, login: GlanceLogin, long: bool
    ) -> Iterator[Row]:
        with _answered(login):
            records = list(image_lookup.every(login))
        ids = [each['id'] for each in records]
        length = 36 if long else image_lookup.shortest(ids)
        with concurrent.futures.ThreadPoolExecutor(THREADS) as workers:
            outlines = workers.map(
                lambda each: _tried(explainer, each), records
            )
            told = zip(records, outlines, strict=True)
            for record, found in _with_a_bar(told, len(records)):
                if not isinstance(found, Outline):
                    self._failed = True
                    self.app.LOG.error('%s: %s', record['id'], found)
                yield _row(record, found, length, long)


def _with_a_bar(
    told: Iterable[tuple[Any, Any]], count: int
) -> Iterable[tuple[Any, Any]]:
    """The same, with a progress bar where people look."""
    if not sys.stderr.isatty():
        return told
    return progress.track(
        told,
        description='Images',
        total=count,
        console=console.Console(stderr=True),
        transient=True,
    )


@contextlib.contextmanager
def _answered(login: GlanceLogin) -> Iterator[None]:
    """
    :raises CommandFailed: when Glance or Keystone cannot be talked to.
    """
    try:
        yield
    except keystone_errors.ClientException as exc:
        raise CommandFailed(
            f'Could not ask Glance at {login.images.url}:'
            f' {errors.printable(exc)}. See whether glance-api answers there,'
            f' and glance_api_servers in cinder.conf.'
        ) from exc


def _tried(
    explainer: Explainer, record: dict[str, Any]
) -> Outline | Exception:
    """One image that fails does not hide the others."""
    try:
        return explainer.outline(record)
    except (errors.CowError, keystone_errors.ClientException) as exc:
        return exc


def _row(
    record: dict[str, Any],
    found: Outline | Exception,
    id_length: int,
    long: bool,
) -> Row:
    if isinstance(found, Outline):
        plan, short = found.method, found.reason
        reason = short if found.error is None else str(found.error)
    else:
        plan, short, reason = UNKNOWN, type(found).__name__, str(found)
    name = errors.printable(record.get('name') or '')
    stores = str(record.get('stores') or '')
    return (
        _told(record['id'], record['id'][:id_length]),
        _cell(name, NAME_WIDTH, long),
        record.get('disk_format') or '',
        Bytes(int(record.get('size') or 0)),
        _cell(stores, STORE_WIDTH, long),
        plan,
        _told(reason, reason if long else _filled(short, REASON_WIDTH)),
    )


def _cell(text: str, width: int, long: bool) -> Told:
    return _told(text, text if long else _filled(text, width))


def _told(value: str, text: str) -> Told:
    return Told(errors.printable(value, 2000), text)


def _filled(text: str, width: int) -> str:
    return textwrap.fill(text.replace(',', ', '), width)


def _asker(section: Section, login: GlanceLogin) -> explain_text.Asker:
    session = login.images.session
    return explain_text.Asker(
        login.user,
        login.images.roles(),
        glance_access.has_section(section),
        session.get_user_id(),
        session.get_project_id(),
    )


def _at_least_1(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError('must be 1 or more')
    return number

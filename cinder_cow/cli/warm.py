# SPDX-License-Identifier: Apache-2.0
"""The command `cinder-cow warm`."""

import argparse
from collections.abc import Generator, Iterator
import concurrent.futures
import contextlib
import signal
from typing import Any

from cliff import lister
from oslo_config import cfg

from cinder_cow import copying, errors, wiring
from cinder_cow.backends.base import ImageBackend
from cinder_cow.base_images import warm
from cinder_cow.base_images.ensure import BaseImages
from cinder_cow.base_images.warm import WarmResult, WarmStatus
from cinder_cow.cli import (
    glance_access,
    image_lookup,
    warm_progress,
    warm_status,
)
from cinder_cow.cli.base_selection import ShortNames, no_bases, store_of
from cinder_cow.cli.columns import Bytes
from cinder_cow.cli.configuration import Section
from cinder_cow.cli.failures import CommandFailed
from cinder_cow.cli.glance_access import GlanceLogin
from cinder_cow.cli.of_backend import OfBackend
from cinder_cow.cli.warm_progress import ImageProgress, WarmProgress
from cinder_cow.transfer import signatures
from cinder_cow.transfer.model import CopyRequest

#: Between two looks at a copy; a progress bar moves so often.
PROGRESS_SECONDS = 0.2


class Warm(OfBackend, lister.Lister):
    """Build the base images of Glance images now, before a volume needs them.

    Several at once, as many as cow_max_copies says. What needs no base, or
    has one, is skipped, with the reason. With --status, show what
    cinder-volume has built by cow_warm_images, as a table (-f json).
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'images',
            metavar='IMAGE',
            nargs='*',
            help='The id of an image, a beginning of it, or its name.',
        )
        parser.add_argument(
            '--all-public',
            action='store_true',
            help='Also all active public images.',
        )
        parser.add_argument(
            '--status',
            action='store_true',
            help='Build nothing: show what cinder-volume is to warm, or has'
            ' warmed, or why not.',
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        if parsed_args.status:
            return int(super().run(parsed_args))
        return self._build(parsed_args)

    def take_action(
        self, args: argparse.Namespace
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        if args.images or args.all_public:
            raise CommandFailed('--status takes no images.')
        store = store_of(self.section(args))
        return warm_status.COLUMNS, warm_status.rows(store)

    def _build(self, args: argparse.Namespace) -> int:
        if not args.images and not args.all_public:
            raise CommandFailed('Name an image, or give --all-public.')
        section = self.section(args)
        login = glance_access.login(section)
        warming = _Warming(section, login)
        records, failed = self._records(login, args)
        try:
            failed |= self._warm(warming, records)
        except KeyboardInterrupt:
            self.app.LOG.error('Interrupted: what was unfinished is removed.')
            raise
        return int(failed)

    def _warm(
        self, warming: '_Warming', records: list[dict[str, Any]]
    ) -> bool:
        """Whether one failed."""
        failed = False
        with (
            _terminated_as_interrupted(),
            warm_progress.on(self.app.stdout) as progress,
            contextlib.closing(warming.all(records, progress)) as ended,
        ):
            for image_id, result in ended:
                self._show(progress, image_id, result)
                failed |= result.status is WarmStatus.FAILED
        return failed

    def _records(
        self, login: GlanceLogin, args: argparse.Namespace
    ) -> tuple[list[dict[str, Any]], bool]:
        """The images; and whether one of those that were named is none."""
        found, failed = [], False
        for text in args.images:
            try:
                found.append(image_lookup.find(login, text))
            except CommandFailed as exc:
                self.app.LOG.error('%s', exc)
                failed = True
        if args.all_public:
            found += login.images.records(visibility='public', status='active')
        return list({each['id']: each for each in found}.values()), failed

    def _show(
        self, progress: WarmProgress, image_id: str, result: WarmResult
    ) -> None:
        if result.status is WarmStatus.FAILED:
            self.app.LOG.error('%s failed: %s', image_id, result.why)
        else:
            progress.line(f'{image_id} {_text(result)}')


class _Warming:
    """Bases while they are built, by the driver's own parts."""

    def __init__(self, section: Section, login: GlanceLogin) -> None:
        self._section = section
        self._login = login
        self._verify = section.verify_glance_signatures != 'disabled'
        if self._verify:
            _configure_key_manager(section)
        parts = wiring.parts(
            wiring.Options(section, glance_name=login.glance_name)
        )
        if parts.base_images is None:
            raise no_bases(section)
        self._backend: ImageBackend = parts.backend
        self._base_images: BaseImages = parts.base_images
        self._cancellation = copying.Cancellation()

    def all(
        self, records: list[dict[str, Any]], progress: WarmProgress
    ) -> Generator[tuple[str, WarmResult]]:
        """The id of each image and what became of it, as they end.

        When it is closed or interrupted, it ends the builds that go on, and
        nothing is left of them.
        """
        with concurrent.futures.ThreadPoolExecutor(
            self._section.cow_max_copies
        ) as threads:
            going = {
                threads.submit(self._one, record, progress): record['id']
                for record in records
            }
            try:
                for ended in concurrent.futures.as_completed(going):
                    yield going[ended], ended.result()
            except BaseException:
                self._cancellation.cancel(errors.CopyCancelled('warm'))
                threads.shutdown(cancel_futures=True)
                raise

    def _one(
        self, record: dict[str, Any], progress: WarmProgress
    ) -> WarmResult:
        with progress.image(record['id']) as shown:
            try:
                image = self._login.images.image_info(record, self._verify)
                request = self._request(record, shown)
                return warm.warm(
                    image, request, self._backend, self._base_images
                )
            except errors.CopyCancelled:
                raise
            except errors.CowError as exc:
                return WarmResult(WarmStatus.FAILED, str(exc))

    def _request(
        self, record: dict[str, Any], shown: ImageProgress
    ) -> CopyRequest:
        return CopyRequest(
            glance=self._login.client,
            verifier=signatures.of_record(self._login.images.session, record)
            if self._verify
            else None,
            report=shown.report,
            on_start=shown.start,
            progress_seconds=PROGRESS_SECONDS,
            cancellation=self._cancellation,
        )


def _text(result: WarmResult) -> str:
    text = result.status.value
    if result.base is not None:
        name, info = result.base.name, result.base.info
        text += f': {ShortNames([name]).of(name)}'
        if result.status is WarmStatus.BUILT:
            text += f', {Bytes(info.stored_bytes)} in {info.seconds:.1f} s'
    return f'{text}: {result.why}' if result.why else text


def _configure_key_manager(section: Section) -> None:
    """castellan, which has the certificates, reads oslo's global object."""
    cfg.CONF(
        args=[],
        project='cinder',
        default_config_files=section.conf.config_file,
        default_config_dirs=section.conf.config_dir,
    )


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the builds as Ctrl-C does, and leaves nothing."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

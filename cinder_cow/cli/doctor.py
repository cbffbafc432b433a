# SPDX-License-Identifier: Apache-2.0
"""The command `cinder-cow doctor`."""

import argparse
from collections.abc import Iterable
import textwrap

from cliff import lister

from cinder_cow.backends.base import CheckResult, Grade
from cinder_cow.cli.failures import CommandFailed
from cinder_cow.cli.of_backend import OfBackend
from cinder_cow.cli.preconditions import Preconditions, Reader

COLUMNS = ('Check', 'Result', 'Answer', 'Remedy')
#: Of a terminal with 100 columns, of which lines and spaces take 10.
CHECK_WIDTH, ANSWER_WIDTH = 32, 51


class Doctor(OfBackend, lister.Lister):
    """Check all that a volume from an image needs, and tell the remedies.

    It exits with 1 where a check fails.
    """

    _failed = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--nova-user',
            metavar='NAME',
            help="Nova's cephx user, without the word client: also check"
            ' whether it may read what volumes are cloned from.',
        )
        parser.add_argument(
            '--nova-keyring',
            metavar='PATH',
            default='',
            help='A file with the key of that user. Without it: that of'
            ' ceph.conf, or the cluster is asked.',
        )
        return parser

    def take_action(
        self, args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[str, ...]]]:
        found = self._answers(args)
        self._failed = any(each.grade is Grade.FAIL for each in found)
        if args.formatter == 'table':
            return COLUMNS[:3], [_lines(each) for each in found]
        return COLUMNS, [_words(each) for each in found]

    def run(self, parsed_args: argparse.Namespace) -> int:
        """The table comes first."""
        return super().run(parsed_args) or int(self._failed)

    def _answers(self, args: argparse.Namespace) -> list[CheckResult]:
        question = "Is the backend's section in cinder.conf"
        try:
            section = self.section(args)
        except CommandFailed as exc:
            return [CheckResult(question, False, f'no, {exc}'.rstrip('.'))]
        reader = (
            Reader(args.nova_user, args.nova_keyring)
            if args.nova_user
            else None
        )
        return [
            CheckResult(question, True, f'yes, [{section.name}]'),
            *Preconditions(section, reader).answers(),
        ]


def _words(result: CheckResult) -> tuple[str, ...]:
    return result.question, result.grade.value, result.answer, result.remedy


def _lines(result: CheckResult) -> tuple[str, ...]:
    """Folded, so that the table fits a terminal."""
    answer = [f'{result.answer}.', f'{result.remedy}.']
    if not result.remedy:
        answer = [result.answer]
    return (
        _folded(result.question, CHECK_WIDTH),
        result.grade.value,
        '\n'.join(_folded(each, ANSWER_WIDTH) for each in answer),
    )


def _folded(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_on_hyphens=False)

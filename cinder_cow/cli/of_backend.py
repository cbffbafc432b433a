# SPDX-License-Identifier: Apache-2.0
"""What all commands have in common: one backend in cinder.conf."""

import argparse

from cliff import command

from cinder_cow.cli import configuration
from cinder_cow.cli.configuration import Section


class OfBackend(command.Command):
    """Of one backend in cinder.conf."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            '--config-file',
            action='append',
            default=[],
            metavar='PATH',
            help='cinder.conf; may be given again. Without it those that'
            ' cinder-volume reads: /etc/cinder/cinder.conf and its like.',
        )
        parser.add_argument(
            '--backend',
            metavar='SECTION',
            help="The backend's section. Without it the only one of"
            ' enabled_backends with the driver of cinder-cow.',
        )
        return parser

    def section(self, args: argparse.Namespace) -> Section:
        return configuration.section(args.config_file, args.backend)

# SPDX-License-Identifier: Apache-2.0
"""What the commands about one backend have in common."""

import argparse

from cliff import command

from cinder_cow import backends
from cinder_cow.backends.base_store import BaseStore
from cinder_cow.cli import configuration
from cinder_cow.cli.configuration import Section
from cinder_cow.cli.failures import CommandFailed


class BackendCommand(command.Command):
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


def store_of(section: Section) -> BaseStore:
    """Where the backend keeps its bases.

    :raises PluginNotLoadable: when there is no such backend.
    :raises CommandFailed: when it keeps none.
    """
    backend = backends.from_options(section)
    store = backend.bases()
    if store is None:
        raise no_bases(section)
    return store


def no_bases(section: Section) -> CommandFailed:
    """The error of a backend that keeps none."""
    return CommandFailed(
        f'The backend {section.cow_backend} of [{section.name}] keeps no base'
        f' images.'
    )

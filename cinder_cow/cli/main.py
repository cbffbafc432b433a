# SPDX-License-Identifier: Apache-2.0
"""The application: it finds its commands in the group `cinder_cow.cli`."""

from importlib import metadata
import logging
import sys

from cliff import app, commandmanager

NAMESPACE = 'cinder_cow.cli'


class Cow(app.App):
    """An error is one line on stderr; with --debug also where it came from."""

    NAME = 'cinder-cow'
    DEFAULT_VERBOSE_LEVEL = 0

    def __init__(self) -> None:
        super().__init__(
            description='Look after the base images of cinder-cow.',
            version=metadata.version(self.NAME),
            command_manager=commandmanager.CommandManager(NAMESPACE),
            deferred_help=True,
        )

    def configure_logging(self) -> None:
        super().configure_logging()
        # It tells of a plugin that cannot be loaded: the error says so.
        logging.getLogger('stevedore').setLevel(logging.CRITICAL)

    def run_subcommand(self, argv: list[str]) -> int:
        """Also of a command that there is not, an error is one sentence."""
        try:
            self.command_manager.find_command(argv)
        except ValueError:
            close = self.get_fuzzy_matches(argv[0])
            same = [each for each in close if each.startswith(argv[0])]
            self.LOG.error(
                'There is no command %r; did you mean %s? See `cinder-cow'
                ' help`.',
                ' '.join(argv[:2]),
                ' or '.join(map(repr, same or close)),
            )
            return 2
        return super().run_subcommand(argv)


def main(argv: list[str] | None = None) -> int:
    """The exit status.

    0; 1 where something could not be done; 2 where the command line was
    wrong; 130 after Ctrl-C.
    """
    return Cow().run((sys.argv[1:] if argv is None else argv) or ['help'])


if __name__ == '__main__':
    sys.exit(main())

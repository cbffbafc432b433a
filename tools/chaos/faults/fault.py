# SPDX-License-Identifier: Apache-2.0
"""What every fault is."""

import random

from chaos.testbed import Testbed


class NoTarget(Exception):
    """There was nothing to inject it into."""


class Fault:
    """One thing that goes wrong, and is mended again."""

    #: For the table.
    name = ''
    #: Between both.
    hold_seconds = 10.0
    #: What a failure may name as its cause: see `causes`.
    causes: frozenset[str] = frozenset()
    #: Whether it comes before the create, where it comes alone: in the middle
    #: of it, what it changes would not be asked for any more.
    comes_first = False
    #: Whether no create can succeed then.
    is_fatal = False

    def __init__(self, testbed: Testbed, chooser: random.Random) -> None:
        self.testbed = testbed
        self.chooser = chooser

    def inject(self) -> None:
        """Let it happen.

        :raises NoTarget: when it cannot.
        """
        raise NotImplementedError

    def undo(self) -> None:
        """Mend it; called also when :meth:`inject` has failed."""

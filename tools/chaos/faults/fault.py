# SPDX-License-Identifier: Apache-2.0
"""What every fault is."""

import random

from chaos.site import Site


class Missed(Exception):
    """There was nothing to strike."""


class Fault:
    """One thing that goes wrong, and is mended again."""

    #: For the table.
    name = ''
    #: Between both.
    hold_seconds = 10.0
    #: What a failure may name as its cause: see `causes`.
    causes: frozenset[str] = frozenset()

    def __init__(self, site: Site, chooser: random.Random) -> None:
        self.site = site
        self.chooser = chooser

    def inject(self) -> None:
        """Let it happen.

        :raises Missed: when it cannot.
        """
        raise NotImplementedError

    def undo(self) -> None:
        """Mend it; called also when :meth:`inject` has failed."""

# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, one thing at a time."""

from collections.abc import Iterator
import random

from chaos.faults import openstack, service, storage
from chaos.faults.fault import Fault

ALL: tuple[type[Fault], ...] = (*service.ALL, *storage.ALL, *openstack.ALL)


def endless(chooser: random.Random) -> Iterator[type[Fault]]:
    """Each once, in any order, before one comes again."""
    while True:
        yield from chooser.sample(ALL, len(ALL))

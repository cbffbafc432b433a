# SPDX-License-Identifier: Apache-2.0
"""What a process has sent to another, and the other has not read.

That is how a request is known to be on its way to an OSD that is stopped.
"""

import contextlib
import os
import pathlib
from typing import NamedTuple

PROC = pathlib.Path('/proc')


class Connection(NamedTuple):
    """One end of a TCP connection, as /proc/net/tcp has it."""

    here: str
    there: str
    unread_bytes: int
    inode: str


def connections():
    """Of this host, by IPv4: see proc(5)."""
    for line in (PROC / 'net' / 'tcp').read_text().splitlines()[1:]:
        _number, here, there, _state, queues, *more = line.split()
        unread = int(queues.partition(':')[2], 16)
        yield Connection(here, there, unread, more[4])


def inodes(pid):
    """Of the sockets that a process has open."""
    found = set()
    with contextlib.suppress(FileNotFoundError):
        for each in (PROC / str(pid) / 'fd').iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.add(os.readlink(each)[len('socket:[') : -1])
    return found


def has_request_of(server, clients):
    """Whether the server has not read what one of the clients sent.

    :param server: its pid.
    :param clients: pids.
    """
    everything = list(connections())

    def addresses(inodes):
        return {each.here for each in everything if each.inode in inodes}

    sending = addresses(set().union(*map(inodes, clients)))
    # Where it listens, too: it may not have accepted a new one.
    serving = addresses(inodes(server))
    return any(
        each.unread_bytes and each.here in serving and each.there in sending
        for each in everything
    )

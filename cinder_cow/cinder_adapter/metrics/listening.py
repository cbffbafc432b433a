# SPDX-License-Identifier: Apache-2.0
"""The socket that scrapers connect to."""

import contextlib
import ipaddress
import os
import pathlib
import socket
import stat
import urllib.parse

UNIX = 'unix:'
LOOPBACK = '127.0.0.1'
#: Of the Unix socket: cinder's user and group.
MODE = 0o660
#: Scrapers that the kernel lets wait.
BACKLOG = 16


def listener(address: str) -> socket.socket:
    """A socket that listens there.

    :raises ValueError: when the address is none.
    :raises OSError: when it cannot be listened at, as it is in use.
    """
    if address.startswith(UNIX):
        return _unix_listener(pathlib.Path(address.removeprefix(UNIX)))
    host, port = parse(address)
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def parse(address: str) -> tuple[str, int]:
    """The IP address and the port of ADDRESS:PORT, or of a port alone.

    :raises ValueError: when it is neither.
    """
    if address.isdecimal():
        address = f'{LOOPBACK}:{address}'
    found = urllib.parse.urlsplit(f'//{address}')
    whole = found.netloc == address and found.username is None
    if not (whole and found.hostname and found.port):
        raise ValueError('it is neither ADDRESS:PORT nor unix:/PATH')
    return str(ipaddress.ip_address(found.hostname)), found.port


def _unix_listener(path: pathlib.Path) -> socket.socket:
    """It is made under another name, and then takes the place of a stale one.

    So nobody connects before it has its mode, and nothing else is replaced.
    """
    if not path.is_absolute():
        raise ValueError('the path of a socket begins with /')
    _require_free(path)
    new = path.with_name(f'.{path.name}.{os.getpid()}')
    with contextlib.ExitStack() as undo:
        made = undo.enter_context(
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        )
        new.unlink(missing_ok=True)  # of a process that had the same id
        made.bind(str(new))
        undo.callback(new.unlink, missing_ok=True)
        new.chmod(MODE)
        made.listen(BACKLOG)
        new.rename(path)
        undo.pop_all()
    return made


def _require_free(path: pathlib.Path) -> None:
    """See that there is nothing, or the socket of a process that is gone."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError('there is a file of that name')
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.settimeout(1)
            try:
                other.connect(str(path))
            except ConnectionRefusedError:
                return
        raise FileExistsError('another process listens there')

# SPDX-License-Identifier: Apache-2.0
"""What a cephx user lacks, in the words of `ceph auth caps`."""

import rados
import rbd

DENIED = (
    rados.PermissionError,
    rados.PermissionDeniedError,
    rbd.PermissionError,
)


def denied(failure: Exception) -> bool:
    """Whether the user was not allowed what it asked for."""
    return isinstance(failure, DENIED)


def remedy(user: str, cap: str, kinds: str = 'osd') -> str:
    """How the user gets that cap beside those that it has.

    :param kinds: of caps: osd, or osd and mgr.
    """
    return (
        f"Add '{cap}' to the {kinds} caps of client.{user}: ceph auth get"
        f' client.{user} shows them, ceph auth caps client.{user} sets them'
        f' all anew'
    )

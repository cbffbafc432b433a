# SPDX-License-Identifier: Apache-2.0
"""The images that a command is about."""

from collections.abc import Iterator
from typing import Any

from cinder_cow import errors
from cinder_cow.cli.failures import CommandFailed
from cinder_cow.cli.glance_access import GlanceLogin
from cinder_cow.sources.glance_images import ROLE

#: Glance lists images that are hidden only to who asks for these alone.
HIDDEN = ('false', 'true')
#: Of an id, as tables for people show it.
LEAST_PREFIX = 8


def every(login: GlanceLogin, **filters: str) -> Iterator[dict[str, Any]]:
    """All images that the user is shown, page by page.

    Also those of other projects, and those that are hidden from lists.
    """
    for hidden in HIDDEN:
        yield from login.images.records(
            visibility='all', os_hidden=hidden, **filters
        )


def find(login: GlanceLogin, text: str) -> dict[str, Any]:
    """The image of that id or name, or whose id begins so.

    :raises CommandFailed: when there is none, or more than one.
    """
    record = login.images.record(text)
    if record is not None:
        return record
    found = list(every(login, name=text))
    if not found and len(text) >= LEAST_PREFIX:
        found = [each for each in every(login) if each['id'].startswith(text)]
    shown = errors.printable(text, 100)
    if not found:
        raise CommandFailed(_not_shown(login, shown))
    if len(found) > 1:
        ids = ', '.join(each['id'] for each in found)
        raise CommandFailed(
            f'{len(found)} images are meant by {shown!r}. Name one by its id:'
            f' {ids}.'
        )
    return found[0]


def shortest(ids: list[str]) -> int:
    """How many characters tell all the ids apart."""
    length = LEAST_PREFIX
    while len({each[:length] for each in ids}) < len(set(ids)):
        length += 1
    return length


def _not_shown(login: GlanceLogin, shown: str) -> str:
    roles = login.images.roles()
    text = (
        f'Glance shows no image of the id or name {shown!r} to {login.user}'
        f' (roles: {", ".join(roles) or "none"}).'
    )
    if ROLE in roles:
        return f'{text} See `openstack image list`.'
    return (
        f'{text} Without the role {ROLE} it does not see private images of'
        f' other projects: openstack role add --user USER --project PROJECT'
        f' {ROLE}.'
    )

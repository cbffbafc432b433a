# SPDX-License-Identifier: Apache-2.0
"""The bases of a backend, and how people name them.

A name has up to 200 characters. The short form is the format and the first
digits of the hash, or of the image's id: `qcow2-3fa9c1e2`.
"""

from collections.abc import Iterable
import re

from cinder_cow import backends
from cinder_cow.backends.base_store import BaseStore, StoredBase
from cinder_cow.cli.columns import Short
from cinder_cow.cli.configuration import Section
from cinder_cow.cli.failures import CommandFailed

#: As :mod:`cinder_cow.backends.base_names` makes them.
_NAME = re.compile(
    r'cow-base-(?P<format>[^-]+)-[^-]+-(?P<identity>.+?)'
    r'(-signed-(?P<signature>[0-9a-f]+))?(?P<any_location>-any-location)?'
)
_OURS = 'cow-'
#: Of the hash or the id; more where these do not tell two bases apart.
LEAST_DIGITS = 8
NAME_HELP = (
    'The name of a base, or a beginning of it; the short form that `base list`'
    ' shows, or a beginning of that.'
)


class ShortNames:
    """The short forms of those names that are shown together."""

    def __init__(self, names: Iterable[str]) -> None:
        self._readable = {name: _readable(name) for name in names}

    def of(self, name: str) -> str:
        """The shortest form that means no other of them."""
        kind, identity = self._readable.get(name) or _readable(name)
        others = [
            other_identity
            for other, (other_kind, other_identity) in self._readable.items()
            if other != name and other_kind == kind
        ]
        length = LEAST_DIGITS
        while length < len(identity) and any(
            each.startswith(identity[:length]) for each in others
        ):
            length += 1
        return kind + identity[:length]

    def column(self, name: str) -> Short:
        """The short form for people, the whole name for programs."""
        return Short(name, self.of(name))


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


def find(store: BaseStore, text: str) -> StoredBase:
    """The base that is meant by its name, or by a beginning of it.

    :param text: may also be a beginning of the short form.
    :raises CommandFailed: when it means none, or more than one.
    """
    # The records first: no image has to be opened for them.
    for look in (store.recorded_bases, store.stored_bases):
        found = _meant({each.name: each for each in look()}, text)
        if found is not None:
            return found
    raise CommandFailed(
        f'There is no base image {text}.{_why(store, text)} See'
        f' `cinder-cow base list`.'
    )


def _meant(bases: dict[str, StoredBase], text: str) -> StoredBase | None:
    if text in bases:
        return bases[text]
    found = [name for name in bases if text and _means(text, name)]
    if len(found) > 1:
        short = ShortNames(bases)
        listed = ', '.join(sorted(short.of(name) for name in found))
        raise CommandFailed(
            f'{text} means {len(found)} base images: {listed}. Give more'
            f' characters.'
        )
    return bases[found[0]] if found else None


def _means(text: str, name: str) -> bool:
    return name.startswith(text) or ''.join(_readable(name)).startswith(text)


def _why(store: BaseStore, text: str) -> str:
    """Why its last build failed, if it did."""
    for name, record in store.build_records().items():
        if text and _means(text, name) and record.kind:
            return f' Its last build failed: {record.cause.rstrip(".")}.'
    return ''


def _readable(name: str) -> tuple[str, str]:
    """What kind of base it is, and what tells it from others of its kind."""
    found = _NAME.fullmatch(name)
    if found is None:
        kind, _, identity = name.removeprefix(_OURS).partition('-')
        return f'{kind}-', identity
    kind, identity = f'{found["format"]}-', found['identity']
    if found['any_location']:
        kind += 'any-location-'
    if found['signature']:
        kind += 'signed-'
        identity = f'{found["signature"]}-{identity}'
    return kind, identity

# SPDX-License-Identifier: Apache-2.0
"""All checks of one backend, in their order. None of them can fail or hang."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
import threading

from cinder_cow import backends, errors, sources, wiring
from cinder_cow.backends.base import CheckResult, ImageBackend
from cinder_cow.cli import cinder_settings, glance_access
from cinder_cow.cli.configuration import Section
from cinder_cow.conversion import selftest as conversion
from cinder_cow.sources import glance_selftest
from cinder_cow.sources.base import ImageSource

#: For a cluster to answer. Ceph's own limit is 5 minutes, or none.
ANSWER_SECONDS = 10
#: For all checks of one kind, of which there are seven.
CHECK_SECONDS = 40
#: Looked at, to meet one in every store.
MOST_IMAGES = 25

Checks = Callable[[], Iterable[CheckResult]]


@dataclass(frozen=True, slots=True)
class Reader:
    """A user beside ours that has to read what volumes are cloned from."""

    name: str
    #: Path of its key; empty: it is looked for.
    keyring: str = ''


class Preconditions:
    """The checks of the backend that a section of cinder.conf describes."""

    def __init__(self, section: Section, reader: Reader | None = None) -> None:
        """:param reader: the cephx user of Nova."""
        self._section = section
        self._options = wiring.Options(
            section,
            rados_connect_timeout=ANSWER_SECONDS,
            rados_connection_retries=1,
            cow_stall_seconds=ANSWER_SECONDS,
        )
        self._reader = reader
        self._seen = glance_selftest.GlanceSeen()
        self._backend: ImageBackend | None = None
        self._sources: list[ImageSource] = []

    def answers(self) -> Iterator[CheckResult]:
        """Each check's, as soon as it is there."""
        kinds: list[tuple[str, Checks]] = [
            ('Can the backend and the sources be loaded', self._load),
            ('Are the options of Cinder fit', self._settings),
            ('Can Glance be asked', self._glance),
            ('Can images be converted here', self._conversion),
            ('Can the cluster be asked', self._storage),
            ('Can the other clusters be asked', self._other_clusters),
            ('Can another user of the cluster be tried', self._another_user),
        ]
        for question, checks in kinds:
            yield from bounded(question, checks)

    def _load(self) -> Iterator[CheckResult]:
        question = 'Can the backend and the sources be loaded'
        try:
            self._backend = backends.from_options(self._options)
            self._sources = sources.from_options(self._options)
        except errors.PluginNotLoadable as exc:
            yield CheckResult(question, False, f'no, {exc}'.rstrip('.'))
        else:
            names = ', '.join(self._section.cow_sources)
            yield CheckResult(
                question, True, f'yes: {self._section.cow_backend}; {names}'
            )

    def _settings(self) -> Iterator[CheckResult]:
        return cinder_settings.checks(self._section)

    def _glance(self) -> Iterator[CheckResult]:
        if glance_access.has_section(self._section):
            self._seen = glance_selftest.look(
                lambda: glance_access.of_section(self._section).images,
                MOST_IMAGES,
            )
        else:
            self._seen = glance_selftest.no_section()
        yield from self._seen.answers

    def _conversion(self) -> Iterator[CheckResult]:
        if not self._section.image_conversion_disable:
            yield from conversion.checks(wiring.confinement(self._options))

    def _storage(self) -> Iterator[CheckResult]:
        if self._backend is not None:
            yield from self._backend.preconditions(
                self._seen.examples, self._seen.largest_bytes
            )

    def _other_clusters(self) -> Iterator[CheckResult]:
        for source in self._sources:
            yield from source.preconditions(self._seen.examples)

    def _another_user(self) -> Iterator[CheckResult]:
        if self._backend is not None and self._reader is not None:
            yield from self._backend.reader_checks(
                self._reader.name, self._reader.keyring, self._seen.examples
            )


def bounded(
    question: str, checks: Checks, seconds: float = CHECK_SECONDS
) -> list[CheckResult]:
    """The answers of these checks, and one where they fail or take too long.

    What takes too long goes on in a thread that ends with the process.

    :param question: for that one.
    """
    found: list[CheckResult] = []
    thread = threading.Thread(
        target=_collect, args=(question, checks, found), daemon=True
    )
    thread.start()
    thread.join(seconds)
    if not thread.is_alive():
        return found
    answer = f'not known, there is no answer within {seconds:g} s'
    return [*found, CheckResult(question, False, answer)]


def _collect(question: str, checks: Checks, found: list[CheckResult]) -> None:
    try:
        for each in checks():
            found.append(each)
    except errors.CowError as exc:
        found.append(CheckResult(question, False, f'no, {exc}'.rstrip('.')))
    except Exception as exc:  # noqa: BLE001  no check ends the others
        answer = f'not known, {type(exc).__name__}: {errors.printable(exc)}'
        found.append(CheckResult(question, False, answer))

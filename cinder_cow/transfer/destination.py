# SPDX-License-Identifier: Apache-2.0
"""What a copy writes to, opened anew for each try."""

import abc
from collections.abc import Callable

from cinder_cow.backends.writer import VolumeWriter


class Destination(abc.ABC):
    """A volume, a base or nothing that one image is copied to."""

    def __init__(self, size_bytes: int, is_zero: bool) -> None:
        """:param is_zero: whether all of it reads as zeros when opened."""
        self.size_bytes = size_bytes
        self.is_zero = is_zero

    @abc.abstractmethod
    def create(self) -> VolumeWriter:
        """A writer for the first try."""

    @abc.abstractmethod
    def reset(self) -> VolumeWriter:
        """A writer for another try, with what the first wrote removed."""


class NewDestination(Destination):
    """A volume that is made by the copy, and made anew for another try."""

    def __init__(
        self,
        size_bytes: int,
        make: Callable[[], VolumeWriter],
        remove: Callable[[], None],
    ) -> None:
        super().__init__(size_bytes, is_zero=True)
        self._make = make
        self._remove = remove
        self._is_made = False

    def create(self) -> VolumeWriter:
        writer = self._make()
        self._is_made = True
        return writer

    def reset(self) -> VolumeWriter:
        if self._is_made:
            self._remove()
        return self.create()


class ExistingDestination(Destination):
    """A volume that is overwritten. It holds old bytes."""

    def __init__(
        self, size_bytes: int, reopen: Callable[[], VolumeWriter]
    ) -> None:
        super().__init__(size_bytes, is_zero=False)
        self._reopen = reopen

    def create(self) -> VolumeWriter:
        return self._reopen()

    def reset(self) -> VolumeWriter:
        return self._reopen()

# SPDX-License-Identifier: Apache-2.0

"""One run of qemu-img: what it may take and open, and its end."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
import json
import os
import shutil

from cinder_cow import errors
from cinder_cow.backends.base_store import BlockDevice
from cinder_cow.conversion import confinement, qemu_errors
from cinder_cow.conversion.bounded_process import (
    MOST_OUTPUT_BYTES,
    BoundedProcess,
    Ended,
    TimedOut,
)
from cinder_cow.conversion.confinement import Confinement
from cinder_cow.copying.cancellation import Cancellation
from cinder_cow.copying.errors import Cancelled
from cinder_cow.model import ImageInfo

#: Of this process, for qemu-img.
_INHERITED = ('PATH', 'LD_LIBRARY_PATH')
_FIXED = {
    # The messages that failures are told apart by.
    'LC_ALL': 'C',
    # Each arena of glibc takes 64 MiB of address space, and there are eight
    # per core without it: the limit would depend on the host.
    'MALLOC_ARENA_MAX': '4',
}
#: `info` reads a header, tables and a list of snapshots; 0.1 s are usual.
_INFO_SECONDS = 60
#: A conversion may take so long, and more by the size of its disk.
_LEAST_SECONDS = 300
#: A cluster that writes less is not fit for use.
_LEAST_BYTES_PER_SECOND = 4 * 2**20


@dataclass(frozen=True, slots=True)
class ConversionLimits:
    """What one run of qemu-img may take."""

    #: By the clock on the wall: the longest conversion.
    seconds: int
    cpu_seconds: int
    address_space_bytes: int

    def of_info(self) -> 'ConversionLimits':
        """For a look at the image."""
        return self._at_most(_INFO_SECONDS)

    def of_disk(self, virtual_bytes: int) -> 'ConversionLimits':
        """For the conversion of a disk of that size."""
        return self._at_most(
            _LEAST_SECONDS + virtual_bytes // _LEAST_BYTES_PER_SECOND
        )

    def _at_most(self, seconds: int) -> 'ConversionLimits':
        return replace(
            self,
            seconds=min(self.seconds, seconds),
            cpu_seconds=min(self.cpu_seconds, seconds),
        )


@dataclass(frozen=True, slots=True)
class Command:
    """What qemu-img is to do, for which image."""

    image: ImageInfo
    #: `info` or `convert`, with all that follows it.
    arguments: tuple[str, ...]
    source: BlockDevice
    #: Where the arguments name the source, and the target.
    source_name: str
    target: BlockDevice | None = None
    target_name: str | None = None

    @property
    def devices(self) -> list[BlockDevice]:
        """All that it opens."""
        return [self.source, *([self.target] if self.target else [])]

    @property
    def environment(self) -> Mapping[str, str]:
        """Of its devices."""
        merged: dict[str, str] = {}
        for each in self.devices:
            merged.update(each.environment)
        return merged


def path() -> str:
    """Of qemu-img.

    :raises ToolMissing: when it is not installed.
    """
    found = shutil.which('qemu-img')
    if found is None:
        raise errors.ToolMissing('qemu-img', qemu_errors.PACKAGES['qemu-img'])
    return found


def run(
    command: Command,
    limits: ConversionLimits,
    shut_in: Confinement,
    cancellation: Cancellation | None = None,
) -> str:
    """What it writes to its standard output.

    It dies with this process, even when that is killed; with the waiting
    thread or greenlet, when that is interrupted; and when it is cancelled.

    :raises ImageUnacceptable: when it fails because of the image.
    :raises StorageError: when it fails because of the storage.
    :raises ConversionLimitExceeded: when it takes more than the limits.
    :raises ConversionInterrupted: when it is ended from outside.
    :raises ConfinementMissing: when it must be confined, and cannot be.
    :raises ToolMissing: when it, or what it needs, is not installed.
    :raises Cancelled: when it was cancelled.
    """
    process = BoundedProcess()
    try:
        with (cancellation or Cancellation()).stopping(
            lambda _error: process.cancel()
        ):
            ended = _execute(process, command, limits, shut_in)
    except TimedOut:
        raise qemu_errors.timed_out(_about(command, limits)) from None
    finally:
        process.end()
    if ended.code and process.cancelled:
        raise Cancelled
    return _output(ended, command, limits)


def _output(ended: Ended, command: Command, limits: ConversionLimits) -> str:
    if ended.too_long:
        raise errors.ImageUnacceptable(
            command.image.image_id,
            f'its description by QEMU is too long, more than'
            f' {MOST_OUTPUT_BYTES} bytes. Upload it anew, flattened by'
            f' qemu-img convert',
        )
    if ended.code:
        about = _about(command, limits)
        raise qemu_errors.failure(about, ended.code, ended.error)
    return ended.output


def _about(command: Command, limits: ConversionLimits) -> qemu_errors.Run:
    return qemu_errors.Run(
        command.image,
        command.arguments[0],
        command.source_name,
        command.target_name,
        limits.seconds,
        limits.cpu_seconds,
        limits.address_space_bytes,
    )


def _execute(
    process: BoundedProcess,
    command: Command,
    limits: ConversionLimits,
    shut_in: Confinement,
) -> Ended:
    program = path()
    policy = confinement.policy(
        shut_in,
        program,
        command.devices,
        limits.cpu_seconds,
        limits.address_space_bytes,
    )
    return process.run(
        (
            *confinement.launcher(),
            json.dumps(policy),
            program,
            *command.arguments,
        ),
        environment(command.environment),
        limits.seconds,
    )


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Of the process: what its devices ask for, and little of ours."""
    own = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**own, **_FIXED, **more}

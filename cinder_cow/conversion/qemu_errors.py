# SPDX-License-Identifier: Apache-2.0

"""What a failed run of qemu-img means.

Its messages hold text of the image, which may say anything. So only what
stands at a fixed place of a message is believed, where QEMU's own words or
the names that it was given by us stand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import errno
import re
import signal

from cinder_cow import errors
from cinder_cow.conversion import restricted_exec
from cinder_cow.model import ImageInfo

PACKAGES = {
    'qemu-img': 'qemu-utils on Debian and Ubuntu, qemu-img on RHEL',
    'rbd': 'qemu-block-extra on Debian and Ubuntu, qemu-kvm-block-rbd on'
    ' RHEL (QEMU has no driver "rbd" without it)',
}

_TIME_OPTION = 'cow_convert_seconds'
_MEMORY_OPTION = 'cow_convert_memory_bytes'
_BEGIN = 'qemu-img: '
NO_RBD = "Unknown driver 'rbd'"
_FULL = ('No space left on device', 'Disk quota exceeded')
_UNREACHABLE = (
    'Connection timed out',
    'Cannot send after transport endpoint shutdown',
)
#: block/rbd.c of QEMU. What follows is our names, and errno's words.
RBD = re.compile(
    r'error (?:connecting|initializing|opening pool|reading conf file'
    r'|reading header from|getting image info from)\b'
)
#: qemu-img.c of QEMU. What follows is errno's words.
_AT_BYTE = re.compile(
    r'error while (reading|writing|reading block status)'
    r'(?: at byte \d+|: )?.*?: ?([\w /]+)$'
)
_OF_STORAGE = (
    'Operation not permitted',
    'Permission denied',
    *_UNREACHABLE,
    *_FULL,
)
_MEMORY = re.compile(
    r'(?:Could not [\w ]+: |Failed to [\w ]+: )?Cannot allocate memory$'
    r'|[Ff]ailed to allocate \d|Resource temporarily unavailable$'
)
#: The exit code of the dynamic loader, before QEMU runs.
_LOADER_FAILED = 127
#: Signals by which a program ends itself, or its own faults.
_CRASHES = (
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGSEGV,
    signal.SIGTRAP,
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of qemu-img, as far as its failure is concerned."""

    image: ImageInfo
    #: `info` or `convert`.
    command: str
    #: The file names that it was given.
    source: str
    target: str | None
    seconds: int
    cpu_seconds: int
    address_space_bytes: int


def timed_out(run: Run) -> errors.CowError:
    """It was killed when its time was over."""
    return errors.ConversionLimitExceeded(
        run.image.image_id,
        f'{run.command} took longer than {run.seconds} s',
        _TIME_OPTION,
    )


def failure(run: Run, code: int, stderr: str) -> errors.CowError:
    """:param code: its exit code; negative: the signal that ended it."""
    if code == restricted_exec.FAILED and stderr.startswith(
        restricted_exec.PREFIX
    ):
        return _launcher_failed(
            run, stderr.removeprefix(restricted_exec.PREFIX)
        )
    if code < 0:
        return _ended_by_signal(run, -code, stderr)
    if code == _LOADER_FAILED:
        return _not_loaded(run, stderr)
    name, said = _first_message(stderr, (run.source, run.target or ''))
    if not said:
        return errors.ConversionInterrupted(
            run.image.image_id, f'exit code {code}, without a message'
        )
    if said == NO_RBD:
        return errors.ToolMissing("QEMU's driver for RBD", PACKAGES['rbd'])
    if _MEMORY.match(said):
        return _out_of_memory(run, said)
    if _is_storages(said) or (name and name == run.target):
        return _storage_error(run, said)
    return errors.ImageUnacceptable(
        run.image.image_id,
        f'qemu-img {run.command} failed on it as {run.image.disk_format}:'
        f' {_without_names(said)}. Upload it anew, with its true disk format;'
        f' see qemu-img check',
    )


def _is_storages(said: str) -> bool:
    """Whether no content of an image brings that message about."""
    if RBD.match(said):
        return True
    at_byte = _AT_BYTE.fullmatch(said)
    return at_byte is not None and (
        at_byte[1] == 'writing' or at_byte[2] in _OF_STORAGE
    )


def _first_message(stderr: str, names: Sequence[str]) -> tuple[str, str]:
    """The file name of ours that it is about, and what QEMU says of it.

    The first, since text of the image may have line breaks, and what looks
    like another message behind them.
    """
    for line in stderr.splitlines():
        said = line.removeprefix(_BEGIN)
        if said == line or said.startswith('warning: '):
            continue
        for name in filter(None, names):
            begin = f"Could not open '{name}': "
            if said.startswith(begin):
                return name, said.removeprefix(begin).strip(' .')
        return '', said.strip(' .')
    return '', ''


def _ended_by_signal(run: Run, number: int, stderr: str) -> errors.CowError:
    name = _signal_name(number)
    if number == signal.SIGXCPU:
        return errors.ConversionLimitExceeded(
            run.image.image_id,
            f'{run.command} took {run.cpu_seconds} s of CPU time',
            _TIME_OPTION,
        )
    if number in _CRASHES:
        last = stderr.strip().rpartition('\n')[2]
        return _out_of_memory(run, f'{name} ({_without_names(last)})')
    return errors.ConversionInterrupted(run.image.image_id, name)


def _not_loaded(run: Run, stderr: str) -> errors.CowError:
    said = _without_names(stderr.strip())
    if 'cannot allocate memory' in said.lower():
        return _out_of_memory(run, said)
    return errors.ToolMissing(
        f'a library of qemu-img ({said})', PACKAGES['qemu-img']
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f'signal {number}'


def _out_of_memory(run: Run, end: str) -> errors.CowError:
    return errors.ConversionLimitExceeded(
        run.image.image_id,
        f'{run.command} ended with {end}, most likely for want of more than'
        f' {run.address_space_bytes} bytes of address space',
        _MEMORY_OPTION,
    )


def _storage_error(run: Run, said: str) -> errors.StorageError:
    reason = said.rpartition(': ')[2]
    kind = errors.StorageError
    if reason in _FULL:
        kind = errors.StorageFull
    elif reason in _UNREACHABLE:
        kind = errors.StorageUnreachable
    return kind(
        f'{run.command} image {run.image.image_id}',
        OSError(_without_names(said)),
    )


def _launcher_failed(run: Run, said: str) -> errors.CowError:
    if said.startswith(f'[Errno {errno.ENOMEM}]'):
        return _out_of_memory(run, said.strip())
    if said.startswith(f'[Errno {errno.ENOENT}]'):
        return errors.ToolMissing('qemu-img', PACKAGES['qemu-img'])
    return errors.ConfinementMissing(said.strip())


def _without_names(said: str) -> str:
    """Without file names: they lead to a ceph.conf."""
    said = re.sub(r"'?json:\{.*\}'?:?\s*", '', said)
    said = re.sub(r'(?<!\w)/[^\s:\'"]+', '<path>', said)
    return errors.printable(said)

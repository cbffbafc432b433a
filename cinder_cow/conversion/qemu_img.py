# SPDX-License-Identifier: Apache-2.0

"""One run of qemu-img: its limits, its end, and what its failures mean."""

from collections.abc import Mapping
from dataclasses import dataclass
import os
import re
import shutil
import signal
from typing import Any

from oslo_concurrency import processutils

from cinder_cow import errors
from cinder_cow.backends.base import CheckResult
from cinder_cow.model import ImageInfo

#: Of this process, for qemu-img and the Python that sets its limits.
_INHERITED = ('PATH', 'LD_LIBRARY_PATH', 'PYTHONPATH')
_FIXED = {
    # The messages that failures are told apart by.
    'LC_ALL': 'C',
    # Each arena of glibc takes 64 MiB of address space, and there are eight
    # per core without it: the limit would depend on the host.
    'MALLOC_ARENA_MAX': '4',
}
_PACKAGES = {
    'qemu-img': 'qemu-utils on Debian and Ubuntu, qemu-img on RHEL',
    'setpriv': 'util-linux',
    'rbd': 'qemu-block-extra on Debian and Ubuntu, qemu-kvm-block-rbd on'
    ' RHEL (QEMU has no driver "rbd" without it)',
}
_NO_RBD = "Unknown driver 'rbd'"
#: It is not there; which error QEMU has for it is what is asked.
_NO_DEVICE = 'json:{"driver":"rbd","pool":"p","image":"i","conf":"/dev/null"}'
_PROBE_SECONDS = 30
_FULL = ('No space left on device', 'Disk quota exceeded')
_UNREACHABLE = (
    'Connection timed out',
    'Cannot send after transport endpoint shutdown',
)
#: Of QEMU's rbd driver, and of errno: no image's content brings these about.
_STORAGE = (
    'error connecting',
    'error initializing',
    'error opening pool',
    'error reading conf file',
    'error reading header from',
    'error while writing',
    'Operation not permitted',
    'Permission denied',
    *_UNREACHABLE,
    *_FULL,
)
#: In lower case: the loader writes it so, and glibc with a capital.
_MEMORY = (
    'cannot allocate memory',
    'bad_alloc',
    'failed to allocate',
    'pthread_create',
    'resource temporarily unavailable',
)


@dataclass(frozen=True, slots=True)
class ConversionLimits:
    """What one run of qemu-img may take."""

    #: By the clock on the wall.
    seconds: int
    cpu_seconds: int
    address_space_bytes: int


def check() -> CheckResult:
    """Whether images can be converted here, found out at start-up."""
    question = 'Can images be converted here'
    try:
        _tool('setpriv')
        _, said = processutils.execute(
            *(_tool('qemu-img'), 'info', _NO_DEVICE),
            env_variables=_environment({}),
            check_exit_code=False,
            timeout=_PROBE_SECONDS,
        )
        if _NO_RBD in said:
            raise _without_rbd()
    except errors.ToolMissing as exc:
        return CheckResult(
            question,
            False,
            f'no, {exc.reason}: volumes of qcow2 and vmdk images and the like'
            f' fail',
            exc.remedy.rstrip('.'),
        )
    return CheckResult(question, True, 'yes')


def run(
    image: ImageInfo,
    limits: ConversionLimits,
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
) -> str:
    """What it writes to its standard output.

    It dies with this process, even when that is killed, and with the waiting
    thread or greenlet, when that is interrupted.

    :raises ImageUnacceptable: when it fails, or takes more than the limits.
    :raises StorageError: when it fails because of the storage.
    :raises ToolMissing: when it, or what it needs, is not installed.
    """
    started: list[Any] = []
    try:
        return _execute(arguments, limits, environment, started)
    except processutils.ProcessExecutionError as exc:
        raise _failure(image, limits, arguments[0], exc) from exc
    except Exception as exc:
        # Not by its class: under eventlet it comes from a second copy of the
        # module subprocess.
        if type(exc).__name__ != 'TimeoutExpired':
            raise
        raise _too_slow(
            image, f'it took longer than {limits.seconds} s'
        ) from exc
    finally:
        for process in started:
            _end(process)


def _execute(
    arguments: tuple[str, ...],
    limits: ConversionLimits,
    environment: Mapping[str, str],
    started: list[Any],
) -> str:
    """:param started: takes the process, as soon as there is one."""
    out, _ = processutils.execute(
        *(_tool('setpriv'), '--pdeathsig', 'KILL'),
        *(_tool('qemu-img'), *arguments),
        env_variables=_environment(environment),
        prlimit=processutils.ProcessLimits(
            cpu_time=limits.cpu_seconds,
            address_space=limits.address_space_bytes,
            core_file_size=0,
        ),
        on_execute=started.append,
        timeout=limits.seconds,
    )
    return str(out)


def _end(process: Any) -> None:
    """It does not outlive the wait for it, whatever ended that."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    own = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**own, **_FIXED, **more}


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise errors.ToolMissing(name, _PACKAGES[name])
    return path


def _failure(
    image: ImageInfo,
    limits: ConversionLimits,
    command: str,
    exc: processutils.ProcessExecutionError,
) -> errors.CowError:
    reason = _reason(exc.stderr or '')
    if _NO_RBD in reason:
        return _without_rbd()
    code = exc.exit_code if isinstance(exc.exit_code, int) else 1
    if code in (-signal.SIGKILL, -signal.SIGXCPU):
        return _too_slow(
            image,
            f'it took {limits.cpu_seconds} s of CPU time, or the host ran out'
            f' of memory',
        )
    said = (exc.stderr or '').lower()
    if code < 0 or any(words in said for words in _MEMORY):
        return _too_big(image, limits, code, reason)
    if any(words in reason for words in _STORAGE):
        return _storage_error(f'{command} image {image.image_id}', reason)
    return errors.ImageUnacceptable(
        image.image_id,
        f'qemu-img {command} failed on it as {image.disk_format}: {reason}.'
        f' Upload it anew, with its true disk format; see qemu-img check',
    )


def _without_rbd() -> errors.ToolMissing:
    return errors.ToolMissing("QEMU's driver for RBD", _PACKAGES['rbd'])


def _storage_error(action: str, reason: str) -> errors.StorageError:
    kind = errors.StorageError
    if any(words in reason for words in _FULL):
        kind = errors.StorageFull
    elif any(words in reason for words in _UNREACHABLE):
        kind = errors.StorageUnreachable
    return kind(action, OSError(reason))


def _too_slow(image: ImageInfo, what: str) -> errors.ImageUnacceptable:
    return errors.ImageUnacceptable(
        image.image_id,
        f'qemu-img was killed: {what}. Where an honest image needs more time,'
        f' raise cow_convert_seconds',
    )


def _too_big(
    image: ImageInfo, limits: ConversionLimits, code: int, reason: str
) -> errors.ImageUnacceptable:
    end = signal.Signals(-code).name if code < 0 else f'exit {code}'
    return errors.ImageUnacceptable(
        image.image_id,
        f'qemu-img ended with {end} ({reason}), most likely for want of more'
        f' than {limits.address_space_bytes} bytes of address space. Where an'
        f' honest image needs more, raise cow_convert_memory_bytes',
    )


def _reason(stderr: str) -> str:
    """The last line, without the file names: they lead to a ceph.conf."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    last = lines[-1] if lines else 'it said nothing'
    last = re.sub(r"'?json:\{.*\}'?:?\s*", '', last)
    last = re.sub(r'(?<!\w)/[^\s:\'"]+', '<path>', last)
    return last.removeprefix('qemu-img: ').strip(' .')[:500]

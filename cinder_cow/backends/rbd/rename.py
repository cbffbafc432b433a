# SPDX-License-Identifier: Apache-2.0
"""Renames an RBD image in a process of its own.

librbd of Ceph 16.2 can hang, or end in SIGSEGV or SIGABRT, when an image is
closed soon after the first change to it, where the CPU is busy: see
PAUSE_BEFORE_CLOSE_SECONDS in :mod:`cinder_cow.backends.rbd.pool`. A rename
closes the image at once, by itself. In the command `rbd` that costs a process
that does nothing else, and a time limit ends it.
"""

import os
import shutil
from typing import Any

from oslo_concurrency import processutils
from oslo_log import log as logging
import rbd

from cinder_cow import errors, native
from cinder_cow.backends.rbd import children, error_mapping, omap
from cinder_cow.backends.rbd.pool import ImagePool, retry_on_lost_connection

LOG = logging.getLogger(__name__)

#: Where librbd keeps the names and ids of a pool's images.
DIRECTORY = 'rbd_directory'
#: A rename takes 0.1 s, and some seconds on a busy host.
LIMIT_SECONDS = 30
#: Of this process, for the command.
_INHERITED = ('PATH', 'LD_LIBRARY_PATH')
_warned = False


def rename(images: ImagePool, name: str, new_name: str) -> None:
    """Give the image another name. To be called in any thread.

    After an error it may bear either name.

    :raises StorageError: when the command fails, or is not done in time.
    """
    command = shutil.which('rbd')
    if command is None:
        _warn_once()
        _rename_by_librbd(images, name, new_name)
        return
    action = f'rename {images.path(name)} to {images.path(new_name)}'
    started: list[Any] = []
    try:
        processutils.execute(
            command,
            *_arguments(images, name, new_name),
            env_variables=_environment(),
            on_execute=started.append,
            timeout=LIMIT_SECONDS,
        )
    except processutils.ProcessExecutionError as exc:
        raise _failure(action, exc) from exc
    except Exception as exc:
        # Not by its class: under eventlet it comes from a second copy of the
        # module subprocess.
        if type(exc).__name__ != 'TimeoutExpired':
            raise
        cause = TimeoutError(f'rbd took longer than {LIMIT_SECONDS} s')
        raise errors.StorageUnreachable(action, cause) from exc
    finally:
        for process in started:
            _end(process)


@native.in_thread
@retry_on_lost_connection
def finish(images: ImagePool, name: str) -> bool:
    """End a rename of this image that was killed before its last step.

    librbd writes `rbd_id.NEW` first, then the new name into `rbd_directory`,
    and removes `rbd_id.NAME` last (librbd/operation/RenameRequest.cc). Until
    then the image is opened by either name, and none can be made under the
    old one.

    :returns: whether there was such a rename.
    """
    with images.opened(f'finish the rename of {images.path(name)}') as pool:
        ioctx, old = pool.ioctx, f'rbd_id.{name}'
        if omap.get(ioctx, DIRECTORY, f'name_{name}') is not None:
            return False
        image_id = children.image_id(ioctx, name)
        if image_id is None:
            return False
        named = omap.get(ioctx, DIRECTORY, f'id_{image_id}')
        # None: it is being made, or was made by halves.
        if named is None or children.string(named, 0)[0] == name:
            return False
        # Read last: what another wrote since is not removed.
        if children.image_id(ioctx, name) == image_id:
            omap.remove_unless_changed(ioctx, old)
        LOG.info('finished the rename of %s', images.path(name))
        return True


def _arguments(images: ImagePool, name: str, new_name: str) -> list[str]:
    settings = images.settings
    known = {
        '--conf': settings.conf_path,
        '--cluster': settings.cluster_name,
        '--id': settings.user,
    }
    options = [
        word for option in known.items() if option[1] for word in option
    ]
    return [
        *(str(word) for word in options),
        'rename',
        *('--pool', images.pool, '--image', name),
        *('--dest-pool', images.pool, '--dest', new_name),
    ]


def _environment() -> dict[str, str]:
    own = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**own, 'LC_ALL': 'C'}


def _end(process: Any) -> None:
    """It does not outlive the wait for it, whatever ended that."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _failure(
    action: str, exc: processutils.ProcessExecutionError
) -> errors.StorageError:
    code = exc.exit_code if isinstance(exc.exit_code, int) else 1
    if code < 0:
        return errors.StorageError(
            action, OSError(f'rbd was ended by signal {-code}')
        )
    # The command's exit status is the errno of librbd.
    return error_mapping.of_status(action, -code)


def _warn_once() -> None:
    global _warned  # noqa: PLW0603
    if not _warned:
        LOG.warning(
            'The command rbd is not installed here: bases are renamed by'
            ' librbd in this process, which may crash it when the host is'
            ' busy. Install ceph-common'
        )
    _warned = True


@native.in_thread
def _rename_by_librbd(images: ImagePool, name: str, new_name: str) -> None:
    action = f'rename {images.path(name)} to {images.path(new_name)}'
    with images.opened(action) as pool:
        rbd.RBD().rename(pool.ioctx, name, new_name)

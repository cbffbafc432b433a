# SPDX-License-Identifier: Apache-2.0
"""Another Debian in a folder, with its Ceph and its Python."""

import os
import pathlib
import shutil
import tempfile

from compat.releases import DEBIAN, REPO
from compat.running import FOLDER, Failed, run

SUITES = {13: 'trixie'}
SECONDS = 600
#: Of bindep.txt, what tests/ceph and a virtual environment need.
PACKAGES = (
    *('ceph-mgr', 'ceph-mon', 'ceph-osd', 'ceph-common', 'rbd-mirror'),
    *('python3-rados', 'python3-rbd', 'python3-venv'),
    *('cryptsetup-bin', 'e2fsprogs', 'qemu-block-extra', 'qemu-utils'),
    'ca-certificates',
)
IN_ROOT = REPO / 'tools' / 'sandbox' / 'in_root.sh'
#: This machine's root, seen there.
HOST = '/host'
#: Of this machine, seen there under their own paths: the repository, whom
#: downloads trust, and where tests put their files.
FOLDERS = (str(REPO), '/etc/ssl/certs', tempfile.gettempdir())


def root(number: int) -> pathlib.Path:
    """Its folder, made the first time.

    :raises Failed: when it cannot be made.
    """
    made = FOLDER / f'debian-{number}'
    if made.exists():
        return made
    if os.geteuid():
        raise Failed(f'Debian {number} is made and entered by root alone')
    FOLDER.mkdir(parents=True, exist_ok=True)
    begun = made.with_suffix('.begun')
    shutil.rmtree(begun, ignore_errors=True)
    included = f'--include={",".join(PACKAGES)}'
    run(
        *('mmdebstrap', '--variant=minbase', included),
        *(SUITES[number], begun),
        seconds=SECONDS,
    )
    return begun.rename(made)


def inside(number: int) -> tuple[str, ...]:
    """What a command is preceded by, to run on that Debian.

    :raises Failed: when that Debian cannot be made.
    """
    if number == DEBIAN:
        return ()
    return str(IN_ROOT), str(root(number)), *FOLDERS, f'/:{HOST}', '--'

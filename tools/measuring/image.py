# SPDX-License-Identifier: Apache-2.0
"""A real disk image: an installed Debian root filesystem."""

import os
import pathlib
import shutil
import subprocess

BYTES = 2**30
STRIDE_BYTES = 8 * 2**20
SUITE = 'bookworm'


def debian(cache: pathlib.Path) -> pathlib.Path:
    """The raw image; made at the first call, some 30 s, and kept.

    :raises CalledProcessError: with the output of what failed.
    """
    image = cache / f'debian-{SUITE}.raw'
    if image.exists():
        return image
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / f'debian-{SUITE}.root'
    partial = image.with_suffix('.partial')
    try:
        _remove(root)
        _run(*_as_root(), 'mmdebstrap', '--variant=minbase', SUITE, str(root))
        with open(partial, 'wb') as file:
            file.truncate(BYTES)
        # As root: the files are root's, and some only root can read.
        _run(*_as_root(), 'mke2fs', '-q', '-t', 'ext4', '-d', root, partial)
        partial.rename(image)
    finally:
        _remove(root)
        partial.unlink(missing_ok=True)
    return image


def half_full(cache: pathlib.Path) -> pathlib.Path:
    """A raw image whose every second 8 MiB is a hole; kept."""
    image = cache / 'half-full.raw'
    if image.exists():
        return image
    cache.mkdir(parents=True, exist_ok=True)
    partial = image.with_suffix('.partial')
    with open(partial, 'wb') as file:
        file.truncate(BYTES)
        for offset in range(0, BYTES, 2 * STRIDE_BYTES):
            file.seek(offset)
            file.write(os.urandom(STRIDE_BYTES))
    partial.rename(image)
    return image


def qcow2(raw: pathlib.Path) -> pathlib.Path:
    """The same disk as a qcow2 file beside it; kept."""
    image = raw.with_suffix('.qcow2')
    if not image.exists():
        partial = raw.with_suffix('.partial')
        _run('qemu-img', 'convert', '-O', 'qcow2', raw, partial)
        partial.rename(image)
    return image


def _as_root() -> list[str]:
    return [] if os.geteuid() == 0 else ['sudo']


def _remove(root: pathlib.Path) -> None:
    if os.geteuid() == 0:
        shutil.rmtree(root, ignore_errors=True)
    else:
        _run('sudo', 'rm', '-rf', '--one-file-system', str(root))


def _run(*argv: str | pathlib.Path) -> None:
    subprocess.run(argv, check=True, capture_output=True, text=True)

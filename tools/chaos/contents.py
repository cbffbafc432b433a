# SPDX-License-Identifier: Apache-2.0
"""Disks that tell whose they are."""

from dataclasses import dataclass, field
import hashlib
import pathlib
import random
import subprocess

MIB = 2**20
#: Each block of a disk begins with its name, or is zeros.
BLOCK_BYTES = 4096
MARK = b'chaos:'
MARK_BYTES = 32
#: Every so many MiB there is a hole.
HOLE_EVERY = 5


@dataclass(frozen=True, slots=True)
class Content:
    """What a disk begins with; zeros follow."""

    name: str
    size_bytes: int
    digest: bytes = field(repr=False)


def make(folder: pathlib.Path, name: str, mib: int, seed: int) -> Content:
    """Write the disk into the folder, under its name."""
    maker = random.Random(f'{seed} {name}')
    mark = (MARK + name.encode()).ljust(MARK_BYTES, b'\0')
    digest = hashlib.sha256()
    with open(folder / name, 'wb') as file:
        for number in range(mib):
            piece = bytearray(MIB)
            if number % HOLE_EVERY != HOLE_EVERY - 1:
                piece[:] = maker.randbytes(MIB)
                for offset in range(0, MIB, BLOCK_BYTES):
                    piece[offset : offset + MARK_BYTES] = mark
            digest.update(piece)
            file.write(piece)
    return Content(name, mib * MIB, digest.digest())


def marks(piece: bytes) -> set[str]:
    """The names of the disks whose blocks these are."""
    found = set()
    for offset in range(0, len(piece), BLOCK_BYTES):
        mark = piece[offset : offset + MARK_BYTES]
        if mark.startswith(MARK):
            found.add(mark.removeprefix(MARK).rstrip(b'\0').decode())
    return found


def converted(raw: pathlib.Path, disk_format: str) -> pathlib.Path:
    """The same disk as a file of another format, beside it."""
    if disk_format == 'raw':
        return raw
    options = ['-o', 'subformat=streamOptimized']
    more = options if disk_format == 'vmdk' else []
    file = raw.with_suffix(f'.{disk_format}')
    subprocess.run(
        ['qemu-img', 'convert', '-O', disk_format, *more, raw, file],
        check=True,
        capture_output=True,
    )
    return file

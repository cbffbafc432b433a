# SPDX-License-Identifier: Apache-2.0
"""Files of images, each with other content than the one before."""

import os
import pathlib
import subprocess

from measuring import image

PIECES = 8


class Disks:
    """Made in a folder, which is removed by its owner."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._count = 0
        #: 1 GiB, every second 8 MiB of it a hole.
        self.raw = image.half_full(folder)

    def qcow2(self) -> pathlib.Path:
        """An uncompressed qcow2 of that disk, but for a few new bytes."""
        path = image.qcow2(self.raw)
        writes = [
            part
            for number, byte in enumerate(os.urandom(PIECES))
            for part in ('-c', f'write -P {byte} {number * 4}k 4k')
        ]
        subprocess.run(
            ['qemu-io', '-f', 'qcow2', *writes, path],
            check=True,
            capture_output=True,
        )
        return path

    def sized(self, mib: int) -> pathlib.Path:
        """A raw image of that size, half of it data."""
        path = self._folder / f'{mib}-mib.raw'
        with open(path, 'wb') as file:
            file.truncate(mib * 2**20)
            for offset in range(0, mib * 2**20, 2 * image.STRIDE_BYTES):
                file.seek(offset)
                file.write(os.urandom(image.STRIDE_BYTES))
        return path

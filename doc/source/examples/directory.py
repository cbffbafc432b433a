# SPDX-License-Identifier: Apache-2.0
"""Volumes that are files of a directory: a backend, and its driver."""

import pathlib
import subprocess
import urllib.parse

from cinder import interface
from cinder.volume import driver
from oslo_config import cfg

from cinder_cow import errors, model
from cinder_cow.backends import base, writer
from cinder_cow.cinder_adapter.copy_on_write_images import CopyOnWriteImages
from cinder_cow.planning import verdict


class FileWriter(writer.VolumeWriter):
    block_bytes = 2**20

    def __init__(self, path):
        self._file = open(path, 'r+b', buffering=0)  # noqa: SIM115

    def start_write(self, offset, data, done):
        self._file.seek(offset)
        self._file.write(data)
        done(None)

    def start_zero(self, offset, length, done):
        self.start_write(offset, bytes(length), done)

    def flush(self):
        self._file.flush()

    def close(self):
        self._file.close()


class DirectoryBackend(base.ImageBackend):
    OPTIONS = (cfg.StrOpt('directory_path', help='Where the volumes are.'),)

    def __init__(self, path):
        self._path = pathlib.Path(path)

    @classmethod
    def from_options(cls, options):
        return cls(options.directory_path)

    def path(self, volume_name):
        return str(self._path / volume_name)

    def cloneable(self, image_info):
        """Glance's file store has it where this host can read it."""
        for url in image_info.locations:
            file = pathlib.Path(urllib.parse.urlsplit(url).path)
            if (
                url.startswith('file:///')
                and file.name == image_info.image_id
                and verdict.is_the_disk(image_info)
            ):
                ref = model.SnapshotRef('', str(file.parent), file.name, '')
                size_bytes = file.stat().st_size
                return model.Verdict(model.Snapshot(ref, size_bytes, 0, True))
        code = model.RefusalCode.NO_LOCATION
        why = model.Refusal(code, 'It is in no file', 'Use the file store')
        return model.Verdict(refusals=(why,))

    def clone_snapshot(self, parent, volume_name):
        self.open(volume_name, 0).close()
        image = f'{parent.ref.pool}/{parent.ref.image}'
        volume = self.path(volume_name)
        subprocess.run(['cp', '--reflink=auto', image, volume], check=True)

    def exists(self, volume_name):
        return (self._path / volume_name).exists()

    def open(self, volume_name, size_bytes):
        try:
            (self._path / volume_name).touch(exist_ok=False)
        except FileExistsError as exc:
            raise errors.VolumeExists(self.path(volume_name)) from exc
        self.grow(volume_name, size_bytes)
        return self.reopen(volume_name)

    def reopen(self, volume_name):
        return FileWriter(self.path(volume_name))

    def grow(self, volume_name, size_bytes):
        with open(self.path(volume_name), 'r+b') as file:
            file.truncate(max(size_bytes, file.seek(0, 2)))

    def remove(self, volume_name):
        (self._path / volume_name).unlink(missing_ok=True)


@interface.volumedriver
class DirectoryDriver(CopyOnWriteImages, driver.VolumeDriver):
    """Beside this it needs what every driver of Cinder needs."""

# SPDX-License-Identifier: Apache-2.0
"""A backend in memory. The contract suite holds it to the real one."""

from cinder_cow import errors
from cinder_cow.backends import base, statistics
from cinder_cow.backends.writer import VolumeWriter
from cinder_cow.model import ClonePolicy, Snapshot, UnavailableReason
from cinder_cow.planning import verdict as rules

STRIPE_UNIT = 4 * 2**20


class MemoryWriter(VolumeWriter):
    def __init__(self, content):
        self._content = content

    @property
    def block_bytes(self):
        return 4096

    def start_write(self, offset, data, done):
        self._content[offset : offset + len(data)] = data
        done(None)

    def start_zero(self, offset, length, done):
        self.start_write(offset, bytes(length), done)

    def flush(self):
        pass

    def close(self):
        pass


class MemoryBackend(base.ImageBackend):
    """``images`` maps a SnapshotRef to bytes, ``volumes`` a name to bytes.

    ``failing`` names the methods that raise StorageError.
    """

    def __init__(self, pool='volumes', **trust):
        """:param trust: fields of ClonePolicy."""
        self.pool = pool
        self.fsid = 'fsid-of-memory'
        self.policy = ClonePolicy(self.fsid, pool, 'cinder', **trust)
        self.images = {}
        self.volumes = {}
        self.flattened = []
        self.failing = set()
        self.counted = statistics.PoolStatistics(
            dict.fromkeys(statistics.VolumeOrigin, 0), 0, 0, 0
        )

    @classmethod
    def from_options(cls, options):
        return cls(options.rbd_pool)

    def path(self, volume_name):
        return f'{self.pool}/{volume_name}'

    def cloneable(self, image_info):
        self._maybe_fail('cloneable')
        screened = rules.screen(image_info, self.policy)
        seen = [(ref, self._look(ref)) for ref in screened.candidates]
        return rules.judge(screened, seen, self.policy, clone_v2=False)

    def exists(self, volume_name):
        self._maybe_fail('exists')
        return volume_name in self.volumes

    def clone_snapshot(self, parent, volume_name):
        self._make(volume_name, self.images[parent.ref])
        self._maybe_fail('clone')

    def open(self, volume_name, size_bytes):
        self._make(volume_name, bytes(size_bytes))
        self._maybe_fail('open')
        return MemoryWriter(self.volumes[volume_name])

    def reopen(self, volume_name):
        self._maybe_fail('reopen')
        return MemoryWriter(self.volumes[volume_name])

    def grow(self, volume_name, size_bytes):
        self._maybe_fail('grow')
        content = self.volumes[volume_name]
        content.extend(bytes(max(0, size_bytes - len(content))))

    def flatten(self, volume_name):
        self._maybe_fail('flatten')
        self.flattened.append(volume_name)

    def remove(self, volume_name):
        self._maybe_fail('remove')
        self.volumes.pop(volume_name, None)

    def statistics(self):
        """``counted``; a test says what there is."""
        self._maybe_fail('statistics')
        return self.counted

    def _look(self, ref):
        if ref not in self.images:
            return UnavailableReason.NO_IMAGE
        return Snapshot(ref, len(self.images[ref]), STRIPE_UNIT, True)

    def _make(self, volume_name, content):
        if volume_name in self.volumes:
            raise errors.VolumeExists(self.path(volume_name))
        self.volumes[volume_name] = bytearray(content)

    def _maybe_fail(self, method):
        if method in self.failing:
            raise errors.StorageError(method, OSError('injected'))

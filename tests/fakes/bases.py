# SPDX-License-Identifier: Apache-2.0
"""A store of bases in memory. The contract suite holds it to the real one."""

import copy
from dataclasses import dataclass, field, replace
import itertools
import threading
import time

from cinder_cow import errors
from cinder_cow.backends import base_names, base_store
from cinder_cow.copying.extents import Extent
from cinder_cow.model import (
    Base,
    BaseInfo,
    Snapshot,
    SnapshotRef,
    Verification,
)
from cinder_cow.planning import location, verdict
from tests.fakes.backend import STRIPE_UNIT, MemoryWriter

LEASE_SECONDS = 30


def info(image_id='i-1', **changes):
    """An info; what is not given does not matter."""
    known = {
        'image_id': image_id,
        'disk_format': 'qcow2',
        'hash_algo': 'sha512',
        'hash_value': 'ab' * 64,
        'source': 'glance',
        'verification': Verification.HASH,
        'signature_verified': False,
        'stored_bytes': 100,
        'seconds': 1.0,
        'created': 0.0,
        'version': '1',
    }
    return BaseInfo(**{**known, **changes})


@dataclass(eq=False)
class Thing:
    """A base or scratch; without an info it is not finished."""

    content: bytearray
    info: BaseInfo | None = None
    last_used: float = 0.0
    image_ids: set = field(default_factory=set)
    #: Of image_ids, those of another Glance.
    foreign_ids: set = field(default_factory=set)
    #: Name and content of its clones.
    children: list = field(default_factory=list)


class MemoryLease(base_store.Lease):
    """``kept`` counts the calls of ``keep``.

    It is lost at the moment in which another takes it.
    """

    def __init__(self, store, name):
        self.kept = 0
        self.expires = store.clock() + LEASE_SECONDS
        self._store = store
        self._name = name
        self._callbacks = []
        self._is_lost = False

    def keep(self, seconds):
        self.kept += 1
        if self._is_mine():
            lasting = max(seconds, LEASE_SECONDS)
            self.expires = self._store.clock() + lasting

    def check(self):
        self._store.maybe_fail('check')
        if not self._is_mine():
            raise errors.LeaseLost(self._name, 'taken away')
        self.expires = max(self.expires, self._store.clock() + LEASE_SECONDS)

    def on_lost(self, callback):
        if self._is_lost:
            callback()
        else:
            self._callbacks.append(callback)

    def lose(self):
        """Another may have it now."""
        self._is_lost = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def release(self):
        with self._store.guard:
            if self._is_mine():
                del self._store.leases[self._name]

    def _is_mine(self):
        return self._store.leases.get(self._name) is self


class MemoryReadable(base_store.ReadableImage):
    def __init__(self, content):
        self.closed = False
        self._content = content

    @property
    def size_bytes(self):
        return len(self._content)

    def read_at(self, offset, length):
        assert not self.closed
        return bytes(self._content[offset : offset + length])

    def extents(self):
        assert not self.closed
        return [Extent(0, len(self._content), zero=False)]

    def close(self):
        self.closed = True


class MemoryBases(base_store.BaseStore):
    """Beside a MemoryBackend: clones land among its volumes.

    ``things`` maps a name to a Thing, ``retired`` too; ``leases`` a name to
    the lease that is held. ``failing`` names the methods that raise
    StorageError, or a method and a name: ('retire', 'cow-base-1'). ``calls``
    holds them all, in order. Volumes are children until they are gone from
    the backend's ``volumes``.
    """

    def __init__(self, backend, clock=time.time):
        self.backend = backend
        self.clock = clock
        self.failing = set()
        self.calls = []
        self.things = {}
        self.retired = {}
        self.leases = {}
        self.records = {}
        self.notes = {}
        self.guard = threading.RLock()
        #: 1 TiB, of which nothing is used.
        self.space = base_store.Room(0, 2**40, 2**40)
        #: What is known here alone, and not by :meth:`another`.
        self._seen = {}
        self._made = {}
        self._numbers = itertools.count()

    def another(self):
        """The store of another process, of the same pool."""
        other = copy.copy(self)
        other._seen, other._made = {}, {}
        return other

    def add(self, name, content=b'', last_used=0.0, **changes):
        """A finished base, as if built long ago. Answers the Base."""
        known = info(**changes)
        with self.guard:
            self.things[name] = Thing(
                bytearray(content), known, last_used, {known.image_id}
            )
            return self._base(name)

    def take_away(self, name):
        """The lease of that name is lost: another may have it now."""
        with self.guard:
            lease = self.leases.pop(name, None)
        if lease is not None:
            lease.lose()

    def retire_elsewhere(self, name):
        """Another host retires it: ``find`` here does not know yet."""
        seen = dict(self._seen)
        self.retire(name)
        self._seen.update(seen)

    def maybe_fail(self, method, name=None):
        self.calls.append((method, name))
        if self.failing & {method, (method, name)}:
            raise errors.StorageError(method, OSError('injected'))

    def find(self, name):
        self.maybe_fail('find', name)
        with self.guard:
            if name not in self._seen and self._is_finished(name):
                self._seen[name] = self._base(name)
            return self._seen.get(name)

    def clone(self, base, volume_name):
        with self.guard:
            if not self._is_finished(base.name):
                self._seen.pop(base.name, None)
                raise errors.BaseGone(base.name)
            volumes = self.backend.volumes
            if volume_name in volumes:
                raise errors.VolumeExists(self.backend.path(volume_name))
            thing = self.things[base.name]
            volumes[volume_name] = bytearray(thing.content)
            thing.children.append((volume_name, volumes[volume_name]))
        self.maybe_fail('clone', base.name)

    def forget(self, name):
        self._seen.pop(name, None)

    def used(self, base, image_id):
        self.calls.append(('used', base.name))
        with self.guard:
            if self._is_finished(base.name):
                self.things[base.name].last_used = self.clock()
                self.things[base.name].image_ids.add(image_id)

    def lease(self, name):
        self.maybe_fail('lease', name)
        with self.guard:
            held = self.leases.get(name)
            if held is not None and held.expires > self.clock():
                return None
            self._made.pop(name, None)
            self._made.pop(base_names.scratch_name(name), None)
            taken = self.leases[name] = MemoryLease(self, name)
        if held is not None:
            held.lose()
        return taken

    def create(self, name, size_bytes):
        self.maybe_fail('create', name)
        with self.guard:
            if name in self.things:
                raise errors.VolumeExists(self.backend.path(name))
            self._made[name] = self.things[name] = Thing(bytearray(size_bytes))
            return MemoryWriter(self.things[name].content)

    def commit(self, name, info):
        self.maybe_fail('commit', name)
        with self.guard:
            if name not in self.things:
                raise errors.StorageError(f'commit {name}', KeyError(name))
            self._require_mine(name)
            thing = self.things[name]
            size = info.stored_bytes or len(thing.content)
            thing.info = replace(info, stored_bytes=size)
            thing.last_used = info.created
            thing.image_ids.add(info.image_id)
            return self._base(name)

    def discard(self, name):
        self.maybe_fail('discard', name)
        with self.guard:
            self._require_mine(name)
            if self._is_finished(name):
                raise errors.StorageError(
                    f'discard {name}', PermissionError('it is finished')
                )
            self.things.pop(name, None)
            self._made.pop(name, None)

    def clone_to_scratch(self, image, name):
        self.maybe_fail('clone_to_scratch', name)
        policy = self.backend.policy
        for url in image.locations:
            ref = location.parse(url)
            if (
                ref in self.backend.images
                and verdict.trusted(ref, image, policy) is None
            ):
                self.create(name, 0)
                self.things[name].content[:] = self.backend.images[ref]
                return True
        return False

    def read(self, name):
        self.maybe_fail('read', name)
        if name not in self.things:
            raise errors.StorageError('read', KeyError(name))
        return MemoryReadable(self.things[name].content)

    def block_device(self, name):
        self.maybe_fail('block_device', name)
        options = {'driver': 'memory', 'image': name}
        return base_store.BlockDevice(options, {})

    def build_record(self, name):
        self.maybe_fail('build_record', name)
        return self.records.get(name)

    def set_build_record(self, name, record):
        self.maybe_fail('set_build_record', name)
        with self.guard:
            self.records.pop(name, None)
            if record is not None:
                self.records[name] = record

    def build_records(self):
        self.maybe_fail('build_records')
        with self.guard:
            return dict(self.records)

    def warm_notes(self):
        self.maybe_fail('warm_notes')
        with self.guard:
            return dict(self.notes)

    def write_warm_notes(self, notes):
        self.maybe_fail('write_warm_notes')
        with self.guard:
            for key, value in notes.items():
                self.notes.pop(key, None)
                if value is not None:
                    self.notes[key] = value

    def room(self):
        self.maybe_fail('room')
        return self.space

    def stored_bases(self):
        self.maybe_fail('stored_bases')
        return self._all_bases()

    def _all_bases(self):
        with self.guard:
            return [
                base_store.StoredBase(
                    name,
                    each.info,
                    each.last_used,
                    frozenset(each.image_ids),
                    frozenset(each.foreign_ids),
                )
                for name, each in self.things.items()
                if each.info
            ]

    def recorded_bases(self):
        self.maybe_fail('recorded_bases')
        return self._all_bases()

    def abandoned(self):
        self.maybe_fail('abandoned')
        with self.guard:
            return [
                name for name, each in self.things.items() if not each.info
            ]

    def forget_images(self, name, image_ids):
        self.maybe_fail('forget_images', name)
        with self.guard:
            if name in self.things:
                self.things[name].image_ids -= set(image_ids)

    def children(self, name):
        self.maybe_fail('children', name)
        with self.guard:
            thing = self.things.get(name)
            return self._clones(thing) if thing else 0

    def retire(self, name):
        self.maybe_fail('retire', name)
        with self.guard:
            self._seen.pop(name, None)
            if self._is_finished(name):
                tail = name.removeprefix(base_names.BASE)
                retired = f'{base_names.RETIRED}{tail}-{next(self._numbers)}'
                self.retired[retired] = self.things.pop(name)

    def purge(self):
        self.maybe_fail('purge')
        with self.guard:
            free = [
                name
                for name, each in self.retired.items()
                if not self._clones(each)
            ]
            for name in free:
                del self.retired[name]
            return free

    @property
    def _pool(self):
        return self.backend.pool

    def _require_mine(self, name):
        thing = self.things.get(name)
        if self._made.get(name, thing) is not thing:
            raise errors.StorageError(
                f'change {name}', PermissionError('another has taken it over')
            )

    def _is_finished(self, name):
        return name in self.things and self.things[name].info is not None

    def _clones(self, thing):
        volumes = self.backend.volumes
        return sum(
            volumes.get(name) is content for name, content in thing.children
        )

    def _base(self, name):
        thing = self.things[name]
        ref = SnapshotRef(self.backend.fsid, self._pool, name, 'base')
        snapshot = Snapshot(ref, len(thing.content), STRIPE_UNIT, True)
        return Base(name, snapshot, thing.info)


class AnsweringBaseImages:
    """Whose ``ensure`` gives each of ``answers``, the last for ever."""

    def __init__(self, store, *answers):
        self.store = store
        self.asked = []
        self._answers = answers

    def ensure(self, image, request, volume_bytes):
        answer = self._answers[min(len(self.asked), len(self._answers) - 1)]
        self.asked.append((image, request, volume_bytes))
        return answer()

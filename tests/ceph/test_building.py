# SPDX-License-Identifier: Apache-2.0

"""Bases built from files, by one process and by several at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
import hashlib
import json
import os
import subprocess
import time
import uuid

import pytest

from cinder_cow import errors
from cinder_cow.backends import base_names
from cinder_cow.base_images.eviction import EvictionLimits
from cinder_cow.base_images.sweep import sweep
from cinder_cow.model import ImageInfo, Method, Verification
from tests.ceph import builder
from tests.waiting import wait_until

MIB = 2**20
SIZE = 256 * MIB
DATA = os.urandom(MIB)


class Packed:
    """A disk of 64 MiB, half data, and the file of an image that holds it."""

    def __init__(self, folder, disk_format='qcow2', salt=b''):
        self.disk = folder / f'{uuid.uuid4()}.raw'
        self.file = self.disk.with_suffix('.file')
        with self.disk.open('wb') as disk:
            disk.truncate(64 * MIB)
            for number in range(0, 64, 2):
                disk.seek(number * MIB)
                disk.write((salt + number.to_bytes(2) + DATA)[:MIB])
        if disk_format == 'raw':
            self.file = self.disk
        else:
            subprocess.run(
                ['qemu-img', 'convert', '-f', 'raw', '-O', disk_format]
                + [self.disk, self.file],
                check=True,
            )
        self.image = described(self.file, disk_format)

    def is_in(self, lab, volume):
        content = self.disk.read_bytes()
        with lab.opened(volume) as opened:
            assert opened.size() == SIZE
            return opened.read(0, len(content)) == content and opened.read(
                len(content), MIB
            ) == bytes(MIB)


def described(file, disk_format):
    content = file.read_bytes()
    return ImageInfo(
        str(uuid.uuid4()),
        'active',
        disk_format,
        'bare',
        len(content),
        hash_algo='sha512',
        hash_value=hashlib.sha512(content).hexdigest(),
    )


def job(lab, packed, *volumes, **more):
    return builder.Job(
        lab.conf,
        asdict(packed.image),
        str(packed.file),
        list(volumes),
        SIZE,
        **more,
    )


def host(lab, packed, **settings):
    return builder.Host(lab.settings(), packed.file, **settings)


def bases(lab):
    return [name for name in lab.names() if name.startswith(base_names.BASE)]


def evict_all(lab):
    """And see that nothing is left."""
    for name in lab.names():
        if name.startswith('volume-'):
            lab.remove(name)
    store = lab.backend().bases()
    for name in bases(lab):
        store.retire(name)
    store.purge()
    assert lab.leftovers() == []


def swept(lab):
    """An hour later: then records of failures go too."""
    store = lab.backend().bases()
    later = time.time() + 3601
    found = sweep(store, EvictionLimits(), lambda _ids: set(), lambda: later)
    assert found.failures == ()


def test_backends_of_two_pools_share_one_base(either_lab, tmp_path):
    """It lies in a third; who builds it and who clones it does not matter."""
    packed = Packed(tmp_path)
    hosts = [
        builder.Host(
            either_lab.settings(user='admin', pool=pool, base_pool='gold'),
            packed.file,
        )
        for pool in ('volumes', 'images')
    ]
    with ThreadPoolExecutor(2) as workers:
        found = list(
            workers.map(
                lambda each: each.make(packed.image, 'volume-1', SIZE), hosts
            )
        )

    assert {each.method for each in found} == {
        Method.BUILD_BASE,
        Method.CLONE_BASE,
    }
    (base,) = either_lab.names('gold')
    for pool in ('volumes', 'images'):
        with either_lab.opened('volume-1', pool) as volume:
            parent = volume.get_parent_image_spec()
            assert (parent['pool_name'], parent['image_name']) == (
                'gold',
                base,
            )
        content = either_lab.stored(pool)['volume-1']
        disk = packed.disk.read_bytes()
        assert content == disk.ljust(SIZE, bytes(1))
    assert hosts[0].store.children(base) == 2


@pytest.mark.parametrize('disk_format', ['qcow2', 'raw'])
def test_first_volume_builds_and_the_next_is_a_clone(
    either_lab, tmp_path, disk_format
):
    packed = Packed(tmp_path, disk_format)
    made = host(either_lab, packed)

    first = made.make(packed.image, 'volume-1', SIZE)
    second = made.make(packed.image, 'volume-2', SIZE)

    assert first.method is Method.BUILD_BASE
    assert second.method is Method.CLONE_BASE
    assert first.verification is second.verification is Verification.HASH
    assert made.source.opened == 1
    assert packed.is_in(either_lab, 'volume-1')
    assert packed.is_in(either_lab, 'volume-2')
    evict_all(either_lab)


def test_images_of_equal_content_share_a_base(lab, tmp_path):
    packed = Packed(tmp_path)
    made = host(lab, packed)
    made.make(packed.image, 'volume-1', SIZE)
    twin = replace(packed.image, image_id=str(uuid.uuid4()))

    result = made.make(twin, 'volume-2', SIZE)

    assert result.method is Method.CLONE_BASE
    (stored,) = made.store.stored_bases()
    assert stored.image_ids == {packed.image.image_id, twin.image_id}
    assert stored.info.image_id == packed.image.image_id
    assert 32 * MIB <= stored.info.stored_bytes <= 64 * MIB
    evict_all(lab)


def test_image_in_this_cluster_is_converted_where_it_lies(
    either_lab, tmp_path
):
    packed = Packed(tmp_path)
    stored = either_lab.image(packed.file.read_bytes())
    image = replace(
        packed.image, image_id=stored.image_id, locations=stored.locations
    )
    made = host(either_lab, packed)

    result = made.make(image, 'volume-1', SIZE)

    assert result.source == 'rbd'
    assert made.source.opened == 0
    assert packed.is_in(either_lab, 'volume-1')
    evict_all(either_lab)


def test_two_processes_of_16_threads_build_once(lab, tmp_path):
    packed = Packed(tmp_path)
    jobs = [
        job(lab, packed, *(f'volume-{host}-{n}' for n in range(16)))
        for host in 'ab'
    ]

    running = [each.start() for each in jobs]
    made = [
        each for one in running for each in json.loads(one.communicate()[0])
    ]

    assert [error for _method, error in made if error] == []
    methods = sorted(method for method, _error in made)
    assert methods == ['build-base'] + ['clone-base'] * 31
    assert len(bases(lab)) == 1
    for each in jobs:
        assert all(packed.is_in(lab, volume) for volume in each.volumes)
    evict_all(lab)


def test_killed_builder_is_followed_by_one_who_waited(lab, tmp_path):
    """At ten points, all at once: each takes until the lease has expired."""
    cases = {
        point: Packed(tmp_path, salt=point.encode()) for point in builder.KILLS
    }
    killed, waiting = {}, {}
    for number, (point, packed) in enumerate(cases.items()):
        first = job(lab, packed, f'volume-{number}-a', kill=point)
        killed[point] = first.start()
    for number, (point, packed) in enumerate(cases.items()):
        assert killed[point].wait(120) == -9, point
        second = job(lab, packed, f'volume-{number}-b')
        waiting[point] = second.start()

    for point, process in waiting.items():
        ((method, error),) = json.loads(process.communicate(timeout=180)[0])
        assert error is None, point
        committed = point == 'after the commit'
        assert (method == 'clone-base') == committed, point

    names = lab.names()
    assert len(bases(lab)) == len(cases)
    volumes = {f'volume-{number}-b' for number in range(len(cases))}
    assert set(names) == set(bases(lab)) | volumes
    for number, packed in enumerate(cases.values()):
        assert packed.is_in(lab, f'volume-{number}-b')
    # The builder that had committed did not get to remove its record, nor to
    # release its lease.
    assert len(lab.backend().bases().build_records()) == 1
    swept(lab)
    evict_all(lab)


def test_failed_build_of_a_damaged_image_is_that_of_all_who_wait(
    lab, tmp_path
):
    packed = Packed(tmp_path)
    wrong = replace(packed.image, hash_value='0' * 128)
    jobs = [
        replace_image(job(lab, packed, *names), wrong)
        for names in (['volume-1', 'volume-2', 'volume-3'], ['volume-4'])
    ]

    running = [each.start() for each in jobs]
    made = [
        each for one in running for each in json.loads(one.communicate()[0])
    ]

    assert [method for method, _error in made] == [None] * 4
    assert all('sha512' in error for _method, error in made)
    assert lab.names() == []
    (record,) = lab.backend().bases().build_records().values()
    assert record.kind == 'SourceDamaged'
    assert record.final
    swept(lab)
    assert lab.leftovers() == []


def replace_image(given, image):
    return replace(given, image=asdict(image))


def test_failure_of_one_host_is_not_told_to_the_waiters_of_another(
    lab, tmp_path
):
    packed = Packed(tmp_path)
    without = job(
        lab,
        packed,
        *('volume-a-1', 'volume-a-2', 'volume-a-3'),
        settings={'host': 'a'},
        has_tools=False,
        pause_seconds=0.1,
    )
    complete = job(
        lab, packed, 'volume-b-1', 'volume-b-2', settings={'host': 'b'}
    )

    failing = without.start()
    wait_until(lambda: lab.backend().bases().build_records())
    working = complete.start()
    failed = json.loads(failing.communicate(timeout=180)[0])
    made = json.loads(working.communicate(timeout=180)[0])

    assert [error for _method, error in made if error] == []
    assert {method for method, _error in made} <= {'build-base', 'clone-base'}
    said = [error for _method, error in failed if error]
    assert said
    assert all('is not installed on this host' in error for error in said)
    assert packed.is_in(lab, 'volume-b-1')
    swept(lab)
    evict_all(lab)


def test_next_volume_too_small_for_the_disk_reads_nothing(lab, tmp_path):
    """Nor does the first read all of it."""
    packed = Packed(tmp_path)
    made = host(lab, packed)
    small = 32 * MIB

    for name in ('volume-1', 'volume-2', 'volume-3'):
        with pytest.raises(errors.ImageTooBig) as caught:
            made.make(packed.image, name, small)
        assert caught.value.image_bytes == 64 * MIB

    assert made.source.opened == 1
    assert lab.names() == []
    assert made.make(packed.image, 'volume-4', SIZE)
    swept(lab)
    evict_all(lab)


def test_sweep_finds_what_has_no_record_in_the_pool_itself(lab, tmp_path):
    store = lab.backend().bases()
    name = 'cow-base-qcow2-sha512-' + 'ab' * 64
    store.create(name, MIB).close()
    store.create(base_names.scratch_name(name), MIB).close()
    with store.lease(name):
        swept(lab)
        assert len(lab.names()) == 2  # it is being built

    swept(lab)

    assert lab.leftovers() == []


def test_full_pool_is_a_clear_error_that_leaves_nothing(lab, tmp_path):
    packed = Packed(tmp_path)
    made = builder.Host(lab.settings(), packed.file)
    with lab.full('volumes'), pytest.raises(errors.StorageFull):
        made.make(packed.image, 'volume-1', SIZE)

    # To remove something takes room too: a sweep does it when there is some.
    swept(lab)
    assert lab.leftovers() == []


def create(folder, *options, size='64M'):
    file = folder / 'hostile'
    command = ['qemu-img', 'create', '-q', '-u', '-f', 'qcow2', *options]
    subprocess.run([*command, file, size], check=True)
    return file


def backing(folder):
    return create(folder, '-b', '/etc/passwd', '-F', 'raw')


def data_file(folder):
    return create(folder, '-o', f'data_file={folder}/data,data_file_raw=on')


def huge(folder):
    return create(folder, '-o', 'cluster_size=2M', size='4P')


def corrupted(folder):
    file = Packed(folder).file
    with file.open('r+b') as content:
        content.seek(40)  # where the L1 table is said to be
        content.write(b'\xff' * 8)
    return file


def truncated(folder):
    file = Packed(folder).file
    os.truncate(file, 3 * 65536)
    return file


def another_format(folder):
    return Packed(folder, 'vmdk').file


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize(
    'craft', [backing, data_file, huge, corrupted, truncated, another_format]
)
def test_hostile_image_is_refused_and_leaves_nothing(
    lab, tmp_path, craft, in_place
):
    file = craft(tmp_path)
    image = described(file, 'qcow2')
    if in_place:
        stored = lab.image(file.read_bytes())
        image = replace(
            image, image_id=stored.image_id, locations=stored.locations
        )
    made = builder.Host(lab.settings(), file)

    with pytest.raises(errors.CowError) as caught:
        made.make(image, 'volume-1', SIZE)

    kinds = (errors.ImageUnacceptable, errors.ImageTooBig)
    assert isinstance(caught.value, kinds), caught.value
    assert image.image_id in str(caught.value)
    assert lab.names() == []

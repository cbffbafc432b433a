# SPDX-License-Identifier: Apache-2.0
"""What our driver takes beside time."""

from collections.abc import Iterator

from benchmarks.errors import BenchmarkError
from benchmarks.setup import Setup
from benchmarks.statistics import Measured
from measuring import rows, screen, watch

AT_ONCE = 10


def taken(setup: Setup) -> Iterator[Measured]:
    """By clones, by a stream and by a conversion."""
    clones = _clones(setup)
    stream = _watched(setup, setup.raw('disk'), 'stream')
    with setup.uploaded(setup.disks.qcow2(), 'disk', 'qcow2') as image_id:
        conversion = _watched(setup, image_id, 'build-base')
    setup.evict()
    assert clones.new_bytes is not None
    yield Measured(
        'space_per_clone_bytes', clones.new_bytes, {'clones': AT_ONCE}
    )
    yield Measured('peak_memory_mib', stream.memory_bytes / 2**20)
    temp = {
        'clones': clones.temp_bytes or 0,
        'stream': stream.temp_bytes,
        'conversion': conversion.temp_bytes,
    }
    yield Measured('temp_bytes', max(temp.values()), temp)


def _clones(setup: Setup) -> rows.Row:
    image_id = setup.raw('ceph')
    with screen.step(f'{AT_ONCE} clones, and what the cluster gains'):
        image = rows.Image(image_id, 'raw in rbd', setup.disks.raw)
        row = setup.bench.measure('cow', image, f'{AT_ONCE} at once', AT_ONCE)
    if row.method != 'clone' or not row.content_equal:
        raise BenchmarkError(f'no clone of the image: {row}')
    return row


def _watched(setup: Setup, image_id: str, method: str) -> watch.Taken:
    """By one volume. All services share a $TMPDIR in the sandbox's folder."""
    temp = (setup.stack.folder / 'tmp').resolve()
    pid = setup.stack.cinder_volume_pids()['cow']
    with (
        setup.volumes() as volumes,
        screen.step(f'memory and temporary files of: {method}'),
    ):
        with (
            watch.watched(temp, pid, others=True) as elsewhere,
            watch.watched(setup.stack.conversion_dir, pid) as found,
        ):
            volumes.create('cow', image_id, method)
        found.temp_bytes += elsewhere.temp_bytes
        if method == 'stream':
            volumes.require_equal(setup.disks.raw)
    return found

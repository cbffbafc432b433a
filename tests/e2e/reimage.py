# SPDX-License-Identifier: Apache-2.0
"""What the tests of Cinder's action reimage share."""

GIB = 2**30
MIB = 2**20
OLD = b'O' * (24 * MIB + 17)


def reimage(tidy, volume, image):
    """The statuses until the volume is at rest."""
    answer = tidy.cloud.connection.block_storage.post(
        f'/volumes/{volume}/action',
        json={'os-reimage': {'image_id': image}},
        microversion='3.68',
    )
    assert answer.status_code == 202, answer.text
    # All zeros of the volume are written.
    return tidy.statuses(volume, seconds=300)


def old_volume(tidy, pool):
    """A volume of its own data, up to the last byte."""
    volume = tidy.volume('cow', tidy.image(OLD, store='disk'))
    with pool.opened(volume, read_only=False) as image:
        image.write(b'O' * MIB, GIB - MIB)
    return volume


def read_snapshot(pool, volume, snapshot, length):
    with pool.opened(volume) as image:
        image.set_snap(f'snapshot-{snapshot}')
        return image.read(0, length)

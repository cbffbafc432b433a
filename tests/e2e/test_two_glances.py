# SPDX-License-Identifier: Apache-2.0
"""Hosts of two Glance servers share their bases: neither knows the other's.

What the other's Glance says of an image is no reason to retire its base.
"""

import os
import time

import pytest

from cinder_cow.backends import base_names
from tests.e2e.bases import MIB, bases, packed, require_nothing
from tests.waiting import wait_until

SWEEP_SECONDS = 3
#: More than two: the first that misses an image, and one that believes it.
SWEEPS = 4
#: What a killed builder leaves, and a sweep removes.
LEFT = base_names.scratch_name('cow-base-qcow2-sha512-ab')


@pytest.fixture
def other_glance(stack, cloud):
    """Its URL. It has an image, so that it can be believed at all."""
    with stack.another_glance() as url:
        images = cloud.connection.image
        made = images.post(
            f'{url}/v2/images',
            json={
                'name': 'of the other',
                'disk_format': 'raw',
                'container_format': 'bare',
            },
        ).json()
        images.put(
            f'{url}/v2/images/{made["id"]}/file',
            data=os.urandom(MIB),
            headers={'Content-Type': 'application/octet-stream'},
        )
        yield url


def settings(url, *glance):
    return '\n'.join(
        [
            '[DEFAULT]',
            f'glance_api_servers = {url}',
            '[glance]',
            *glance,
            '[cow]',
            f'cow_base_sweep_seconds = {SWEEP_SECONDS}',
            '',
        ]
    )


def swept(pool):
    """Return when a sweep has ended that began after this."""
    pool.create(LEFT, MIB)
    wait_until(lambda: LEFT not in pool.names(), pause_seconds=0.2)
    time.sleep(SWEEP_SECONDS)


def test_base_of_an_image_that_the_other_does_not_know_stays(
    stack, tidy, cloud, pool, log, tmp_path, other_glance
):
    stack.restart_cinder_volume('[cow]\ncow_base_sweep_seconds = 0\n')
    image = tidy.image(
        packed(tmp_path, 'qcow2').file, store='disk', disk_format='qcow2'
    )
    cloud.delete_volume(tidy.volume('cow', image))
    (base,) = bases(pool)

    # A host of another region.
    stack.restart_cinder_volume(
        settings(other_glance, 'region_name = RegionTwo')
    )
    for _ in range(SWEEPS):
        swept(pool)
    assert bases(pool) == [base]

    # The same answers are believed where they are of the same region.
    stack.restart_cinder_volume(settings(other_glance))
    log.wait('image-deleted', f'base={base}', seconds=60)
    assert bases(pool) == []


def test_nothing_is_left_in_the_end(stack, pool):
    stack.restart_cinder_volume()
    require_nothing(stack, pool)

# SPDX-License-Identifier: Apache-2.0
"""What the scheduler is told of the pool while there is a base in it."""

import pytest

from tests.e2e import api
from tests.e2e.bases import cow_options, packed
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures('nothing_is_left')

DETAILED = '/scheduler-stats/get_pools?detail=True'


def capabilities(cloud):
    """Those of our backend, as the scheduler has them."""
    answer = cloud.connection.block_storage.get(
        DETAILED, microversion=api.VERSION
    )
    assert answer.ok, answer.text
    for pool in answer.json()['pools']:
        if pool['capabilities'].get('volume_backend_name') == 'cow':
            return pool['capabilities']
    return {}


@pytest.mark.parametrize(
    ('exclusive', 'provisioned_gib'),
    # None: the scheduler takes what Cinder has allocated.
    [(True, None), (False, 2)],
    ids=['exclusive pool', 'shared pool'],
)
def test_base_counts_as_the_option_says(
    stack, cloud, tidy, tmp_path, exclusive, provisioned_gib
):
    """As `rbd_exclusive_cinder_pool` does, in cinder_options.rst."""
    options = cow_options(stack, rbd_exclusive_cinder_pool=exclusive)
    stack.restart_cinder_volume(
        f'[DEFAULT]\nbackend_stats_polling_interval = 3\n{options}'
    )
    disk = packed(tmp_path, 'qcow2')
    image = tidy.image(disk.file, store='disk', disk_format='qcow2')

    tidy.volume('cow', image)

    told = {}

    def is_told():
        told.update(capabilities(cloud))
        known = ('allocated_capacity_gb', 'provisioned_capacity_gb')
        return [told.get(each) for each in known] == [1, provisioned_gib]

    wait_until(is_told, seconds=120, pause_seconds=1)
    assert 0 < told['free_capacity_gb'] < told['total_capacity_gb'] < 20

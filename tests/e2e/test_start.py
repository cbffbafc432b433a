# SPDX-License-Identifier: Apache-2.0
"""A start of ours beside upstream's driver in the same service.

Both have as many volumes that a killed process was filling: Cinder's own work
on them is the same.
"""

import datetime
import os
import re
import signal
import uuid

import pytest
import rbd

from tests.e2e.bases import cow_options
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures('default_configuration')

MIB = 2**20
PARTIAL = 50
#: How much longer a start of ours may take than upstream's beside it.
MOST_SECONDS = 2.0
READY = re.compile(r'Service \d+ cleanup completed')
STARTING = 'Starting volume driver'
MOMENT = re.compile(r'^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) (\d+) ')

COLUMNS = (
    'host, size, project_id, user_id, use_quota, deleted, created_at,'
    ' volume_type_id, service_uuid, bootable, multiattach, availability_zone'
)
VOLUME = (
    f'INSERT INTO volumes (id, status, {COLUMNS})'
    f" SELECT %s, 'downloading', {COLUMNS} FROM volumes WHERE id = %s"
)
#: What Cinder looks for at a start: the operations that were going on.
WORKER = (
    'INSERT INTO workers (created_at, updated_at, deleted, resource_type,'
    ' resource_id, status, service_id, race_preventer)'
    " SELECT NOW(), NOW(), 0, 'Volume', %s, 'downloading', services.id, 0"
    ' FROM services WHERE host = %s AND NOT deleted'
)


@pytest.fixture
def partial_volumes(stack, tidy, pool):
    """Volumes that a killed process was filling: their ids."""
    image = tidy.image(os.urandom(MIB))
    found = {}
    for backend in ('cow', 'upstream'):
        template = tidy.volume(backend, image)
        found[backend] = [str(uuid.uuid4()) for _ in range(PARTIAL)]
        for volume_id in found[backend]:
            stack.sql('cinder', VOLUME, volume_id, template)
            stack.sql('cinder', WORKER, volume_id, f'sandbox@{backend}')
    with pool._cluster.open_ioctx('volumes') as ioctx:
        for volume_id in found['cow']:
            rbd.RBD().create(ioctx, f'volume-{volume_id}', 2**30)
    return found['cow']


@pytest.fixture
def stopped_glance(stack):
    """Glance takes connections, and answers nothing."""
    members = stack._glance._processes.members('glance')
    assert members
    for each in members:
        os.kill(each.pid, signal.SIGSTOP)
    yield
    for each in members:
        os.kill(each.pid, signal.SIGCONT)


def seconds_of_starts(log):
    """By process, which is one for each backend."""
    began, found = {}, {}
    for line in log.lines():
        match = MOMENT.match(line)
        if match is None:
            continue
        moment = datetime.datetime.fromisoformat(match[1]).timestamp()
        if STARTING in line:
            name = 'cow' if 'CowRBDDriver' in line else 'upstream'
            began[match[2]] = (name, moment)
        elif READY.search(line) and match[2] in began:
            name, start = began[match[2]]
            found[name] = moment - start
    return found


def test_start_waits_neither_for_glance_nor_for_partial_volumes(
    stack, tidy, pool, log, partial_volumes, stopped_glance
):
    stack.restart_cinder_volume(cow_options(stack))

    seconds = seconds_of_starts(log)
    print(f'cow {seconds["cow"]:.2f} s, upstream {seconds["upstream"]:.2f} s')
    assert seconds['cow'] <= seconds['upstream'] + MOST_SECONDS
    # What was there of them is removed beside the service.
    wait_until(lambda: not any(map(pool.holds, partial_volumes)), 120)

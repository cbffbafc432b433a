# SPDX-License-Identifier: Apache-2.0

"""A builder whose lease is taken by another, while it works."""

import json
import subprocess
import time

import pytest

from cinder_cow.backends.rbd import lease as leases
from cinder_cow.transfer.copier import CopyRequest
from tests.ceph import builder
from tests.ceph.test_building import (
    SIZE,
    Packed,
    bases,
    evict_all,
    job,
    swept,
    wait_for,
)

#: The copy would take that long, and more, if it were not stopped.
PAUSE_SECONDS = 3
STOPPED_SECONDS = 120


def rados(lab, *arguments):
    """What the command answers, as client.admin."""
    done = subprocess.run(
        ['rados', '-c', lab.conf, '-p', 'volumes', *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def broken(lab, store, name):
    """The lease that another had, whose lock client.admin has broken."""
    lock = (leases.OBJECT + name, leases.LOCK)
    found = json.loads(rados(lab, '-f', 'json', 'lock', 'info', *lock))
    for each in found['lockers']:
        rados(
            lab,
            *('lock', 'break', *lock, each['name']),
            *('--lock-cookie', each['cookie']),
        )
    return store.lease(name)


@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
def test_lost_lease_stops_the_builder_and_its_successor_succeeds(
    lab, tmp_path, disk_format
):
    packed = Packed(tmp_path, disk_format)
    first = job(lab, packed, 'volume-1', pause_seconds=PAUSE_SECONDS)
    successor = builder.Host(lab.settings(), packed.file)
    name = successor.bases.name(packed.image)

    losing = first.start()
    wait_for(lab.names)
    lease = broken(lab, successor.store, name)
    assert lease is not None
    started = time.monotonic()
    with lease:
        successor.base_builder.build(
            name, packed.image, CopyRequest(None), SIZE, lease
        )
        successor.store.set_build_record(name, None)

    assert time.monotonic() - started < STOPPED_SECONDS
    ((method, error),) = json.loads(losing.communicate(timeout=120)[0])
    assert (method, error) == ('clone-base', None)
    assert packed.is_in(lab, 'volume-1')
    assert bases(lab) == [name]
    swept(lab)
    evict_all(lab)

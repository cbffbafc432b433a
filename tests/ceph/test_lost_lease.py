# SPDX-License-Identifier: Apache-2.0

"""A builder whose lease is taken by another, while it works."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from cinder_cow.backends.rbd import lease as leases
from cinder_cow.transfer.model import CopyRequest
from tests.ceph import builder
from tests.ceph.test_building import SIZE, Packed, bases, evict_all, job, swept
from tests.waiting import wait_until

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


def taken_over(lab, packed):
    """Have the base built by a successor, who breaks the lease before."""
    successor = builder.Host(lab.settings(), packed.file)
    name = successor.bases.name(packed.image)
    lease = broken(lab, successor.store, name)
    assert lease is not None
    started = time.monotonic()
    with lease:
        successor.base_builder.build(
            name, packed.image, CopyRequest(None), SIZE, lease
        )
        successor.store.set_build_record(name, None)
    assert time.monotonic() - started < STOPPED_SECONDS
    assert bases(lab) == [name]


def has_waited_and_cloned(process):
    ((method, error),) = json.loads(process.communicate(timeout=120)[0])
    return (method, error) == ('clone-base', None)


@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
def test_lost_lease_stops_the_copy_and_its_successor_succeeds(
    lab, tmp_path, disk_format
):
    packed = Packed(tmp_path, disk_format)
    losing = job(lab, packed, 'volume-1', pause_seconds=PAUSE_SECONDS).start()
    wait_until(lab.names)

    taken_over(lab, packed)

    assert has_waited_and_cloned(losing)
    assert packed.is_in(lab, 'volume-1')
    swept(lab)
    evict_all(lab)


def test_lost_lease_kills_qemu_img(lab, tmp_path):
    """Which hangs for ever otherwise."""
    packed = Packed(tmp_path)
    losing = job(lab, packed, 'volume-1').start()
    stopped = []
    wait_until(lambda: stopped or stopped.extend(stop_converting(lab)))

    taken_over(lab, packed)

    assert has_waited_and_cloned(losing)
    assert not any(pathlib.Path(f'/proc/{pid}').exists() for pid in stopped)
    assert packed.is_in(lab, 'volume-1')
    swept(lab)
    evict_all(lab)


def stop_converting(lab):
    """The processes that convert in this cluster, which are stopped."""
    found = []
    for file in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
        with contextlib.suppress(OSError):
            text = file.read_bytes()
            words = text.split(b'\0')
            if (
                words[0].endswith(b'qemu-img')
                and b'convert' in words
                and lab.conf.encode() in text
            ):
                pid = int(file.parent.name)
                os.kill(pid, signal.SIGSTOP)
                found.append(pid)
    return found

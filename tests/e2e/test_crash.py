# SPDX-License-Identifier: Apache-2.0
"""cinder-volume dies by kill -9 in the middle of a clone."""

import os
import signal
import threading

import pytest

from sandbox import errors
from tests.e2e.unread import has_request_of
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures('default_configuration')

MIB = 2**20
CONTENT = os.urandom(MIB)


def test_volume_is_not_reported_available_and_deletes_clean(
    stack, tidy, cloud, pool, log
):
    image = tidy.image(CONTENT)
    osd = stack.clusters[0].pid('osd')
    clients = stack.cinder_volume_pids().values()
    unexpected = []

    def create():
        try:
            cloud.create_volume('cow', image, expect='error')
        except errors.SandboxError as exc:
            unexpected.append(exc)

    creating = threading.Thread(target=create)
    os.kill(osd, signal.SIGSTOP)
    try:
        creating.start()
        log.wait('being created as image')
        wait_until(lambda: has_request_of(osd, clients))
        for pid in stack.cinder_volume_pids().values():
            os.kill(pid, signal.SIGKILL)
    finally:
        os.kill(osd, signal.SIGCONT)
    stack.restart_cinder_volume(kill=True)
    creating.join(120)

    assert unexpected == []
    (volume,) = tidy.volumes()
    assert cloud.volume(volume).status == 'error'

    cloud.delete_volume(volume)
    assert pool.names() == []

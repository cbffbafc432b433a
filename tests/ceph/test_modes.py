# SPDX-License-Identifier: Apache-2.0
"""A long call of librbd stops nobody, in either of Cinder's modes.

Each case is a process of its own. The OSD is stopped (SIGSTOP) while the
clone is made, so that librbd truly blocks.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from cinder_cow.backends import base_names
from tests.ceph.bases import built

CONTENT = b'D0D-' * 1024
SECONDS = 2
CLONE = """
    import json, os, signal, sys, threading, time
    from cinder_cow.backends.rbd.settings import RbdSettings
    from cinder_cow.backends.rbd.backend import RbdBackend
    from cinder_cow.model import ImageInfo

    settings, image, osd, seconds = json.loads(sys.stdin.read())
    image['locations'] = tuple(image['locations'])
    settings['image_pools'] = tuple(settings['image_pools'])
    backend = RbdBackend(RbdSettings(**settings))
    image = ImageInfo(**image)
    backend.cloneable(image)  # connected

    ticks = 0

    def tick():
        global ticks
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.01)
            ticks += 1
        os.kill(osd, signal.SIGCONT)

    os.kill(osd, signal.SIGSTOP)
    ticker = threading.Thread(target=tick)
    ticker.start()
    started = time.monotonic()
    backend.clone(image, 'volume-1')
    print(json.dumps([ticks, time.monotonic() - started]))
"""


@pytest.mark.parametrize(
    'patch', ['import eventlet; eventlet.monkey_patch()\n', '']
)
def test_others_go_on_while_librbd_blocks(lab, patch):
    image = lab.image(CONTENT)
    osd = lab.cluster.pid('osd')
    facts = [
        dataclasses.asdict(lab.settings()),
        dataclasses.asdict(image),
        osd,
        SECONDS,
    ]
    try:
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c']
            + [patch + textwrap.dedent(CLONE)],
            input=json.dumps(facts),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.kill(osd, signal.SIGCONT)

    assert done.returncode == 0, done.stderr
    ticks, seconds = json.loads(done.stdout)
    assert seconds >= SECONDS * 0.9, 'the clone did not block'
    assert ticks > 20, 'the clone stopped the others'
    assert lab.stored() == {'volume-1': CONTENT}


CREATE = """
    import eventlet; eventlet.monkey_patch()
    import json, sys
    from eventlet import patcher, tpool
    from cinder_cow import execute, native
    from cinder_cow.backends.rbd.backend import RbdBackend
    from cinder_cow.backends.rbd.settings import RbdSettings
    from cinder_cow.base_images.ensure import BaseImages, BaseSettings
    from cinder_cow.model import ImageInfo, Target
    from cinder_cow.planning.decide import decide
    from tests.fakes.request import asked

    settings, image = json.loads(sys.stdin.read())
    image['locations'] = tuple(image['locations'])
    settings['image_pools'] = tuple(settings['image_pools'])
    backend = RbdBackend(RbdSettings(**settings))
    image = ImageInfo(**image)
    bases = BaseImages(BaseSettings(), backend.bases(), None)

    entered = []
    enter = tpool.execute
    here = patcher.original('threading').get_ident

    def counted(function, *args, **kwargs):
        if here() == main:  # else it goes on in its native thread
            entered.append(function.__qualname__)
        return enter(function, *args, **kwargs)

    main = here()
    for number in range(2):  # the first one connects
        entered.clear()
        tpool.execute = counted
        target = Target(str(number), f'volume-{number}', 2**21)
        request, parts = asked(image, target, backend, bases=bases)
        decision = native.in_thread(decide)(image, target, backend, bases)
        result = execute.run(decision.plan, request, parts)
        tpool.execute = enter
    print(json.dumps([result.method.value, entered]))
"""


@pytest.mark.parametrize('method', ['clone', 'clone-base'])
def test_clone_enters_a_native_thread_twice(lab, method):
    """To look, and to clone and grow."""
    image = lab.image(CONTENT)
    if method == 'clone-base':
        image = dataclasses.replace(
            image,
            disk_format='qcow2',
            hash_algo='sha512',
            hash_value='ab' * 64,
        )
        name = base_names.base_name(image, strict_locations=True)
        built(lab.backend().bases(), name)
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', textwrap.dedent(CREATE)],
        input=json.dumps(
            [dataclasses.asdict(lab.settings()), dataclasses.asdict(image)]
        ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [method, ['decide', '_NewVolume.clone']]
    assert {'volume-0', 'volume-1'} <= set(lab.names())

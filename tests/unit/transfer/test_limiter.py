# SPDX-License-Identifier: Apache-2.0
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from cinder_cow.transfer.limiter import CopyLimiter

SECONDS = 5


def waiting(turns, count):
    """Returns when so many wait."""
    until = time.monotonic() + SECONDS
    while len(turns._waiting) < count:
        assert time.monotonic() < until
        time.sleep(0.001)


@pytest.mark.parametrize('limit', [1, 3])
def test_never_more_than_the_limit_at_once(limit):
    turns = CopyLimiter(limit)
    inside, most = [], []

    def body():
        for _ in range(5):
            with turns.slot():
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.001)
                inside.pop()

    threads = [threading.Thread(target=body) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(SECONDS)

    assert len(most) == 40
    assert max(most) == limit


def test_first_come_first_served():
    turns = CopyLimiter(1)
    order = []

    def body(number):
        with turns.slot():
            order.append(number)

    threads = []
    with turns.slot():
        for number in range(6):
            threads.append(threading.Thread(target=body, args=(number,)))
            threads[-1].start()
            waiting(turns, number + 1)
        assert order == []
    for each in threads:
        each.join(SECONDS)

    assert order == [0, 1, 2, 3, 4, 5]


def test_newcomer_does_not_overtake_who_waits():
    turns = CopyLimiter(1)
    order = []

    def body():
        with turns.slot():
            order.append('waited')

    with turns.slot():
        thread = threading.Thread(target=body)
        thread.start()
        waiting(turns, 1)
    with turns.slot():
        order.append('came')
    thread.join(SECONDS)

    assert order == ['waited', 'came']


@pytest.mark.parametrize('kind', [ValueError, KeyboardInterrupt, SystemExit])
def test_error_gives_the_turn_up(kind):
    turns = CopyLimiter(1)

    with pytest.raises(kind), turns.slot():
        raise kind
    with turns.slot():
        assert not turns._free


@pytest.mark.usefixtures('interruptible')
def test_interrupted_waiter_gives_its_place_up():
    turns = CopyLimiter(1)
    done = threading.Event()
    main = threading.main_thread().ident

    def hold():
        with turns.slot():
            waiting(turns, 1)
            signal.pthread_kill(main, signal.SIGINT)
            done.wait(SECONDS)

    holder = threading.Thread(target=hold)
    holder.start()
    with pytest.raises(KeyboardInterrupt), turns.slot():
        raise AssertionError('has a turn')
    assert not turns._waiting
    done.set()
    holder.join(SECONDS)
    with turns.slot():
        assert not turns._free


# Under eventlet, in a process of its own: patching cannot be undone.

KILL = """
    import eventlet
    eventlet.monkey_patch()
    from cinder_cow.transfer.limiter import CopyLimiter

    turns, order = CopyLimiter(1), []

    def body(name):
        with turns.slot():
            order.append(name)
            eventlet.sleep(0.01)

    def start(*names):
        started = [eventlet.spawn(body, name) for name in names]
        eventlet.sleep(0.001)
        return started
"""
KILLED_WHILE_IT_WAITS = """
    first, second, third = start('first', 'second', 'third')
    second.kill()
    third.wait()
    print(*order, turns._free, len(turns._waiting))
"""
KILLED_WHEN_ITS_TURN_HAS_COME = """
    with turns.slot():
        first, second = start('first', 'second')
    first.kill()
    second.wait()
    print(*order, turns._free, len(turns._waiting))
"""
KILLED_IN_ITS_TURN = """
    first, second = start('first', 'second')
    first.kill()
    second.wait()
    print(*order, turns._free, len(turns._waiting))
"""


@pytest.mark.parametrize(
    ('code', 'order'),
    [
        (KILLED_WHILE_IT_WAITS, 'first third'),
        (KILLED_WHEN_ITS_TURN_HAS_COME, 'second'),
        (KILLED_IN_ITS_TURN, 'first second'),
    ],
    ids=['while it waits', 'when its turn has come', 'in its turn'],
)
def test_killed_green_thread_costs_no_turn(code, order):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', textwrap.dedent(KILL + code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.strip() == f'{order} 1 0', done.stderr

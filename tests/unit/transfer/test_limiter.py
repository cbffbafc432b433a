# SPDX-License-Identifier: Apache-2.0
import contextlib
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from cinder_cow import copying, errors
from cinder_cow.transfer import limiter as limiters
from cinder_cow.transfer.limiter import CopyLimiter
from tests.waiting import wait_until

SECONDS = 10


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    monkeypatch.setattr(limiters, 'LOOK_SECONDS', 0.05)


class Copies:
    """Copies that ask for a slot of one limiter, each in its own thread."""

    def __init__(self, limiter):
        self.limiter = limiter
        #: In the order in which they got their slot.
        self.order = []
        self.refused = []
        self._ending = {}
        self._threads = []

    @property
    def asking(self):
        """How many have a slot or wait for one."""
        return self.limiter.running + self.limiter.waiting

    def ask(self, *names):
        """Each name is a project and a number; relimiter when all wait."""
        for name in names:
            asking = self.asking
            refused = len(self.refused)
            self._threads.append(
                threading.Thread(target=self._copy, args=(name,), daemon=True)
            )
            self._threads[-1].start()
            wait_until(
                lambda before=asking, refused=refused: (
                    self.asking > before or len(self.refused) > refused
                )
            )

    def end(self):
        """Let all of them end, one after the other."""
        ended = 0
        while ended < len(self.order):
            left = self.asking
            self._ending[self.order[ended]].set()
            ended += 1
            wait_until(lambda left=left: self.asking < left)
            wait_until(self._all_have_begun(ended))
        for each in self._threads:
            each.join(SECONDS)
        assert (self.limiter.running, self.limiter.waiting) == (0, 0)
        return ' '.join(self.order)

    def _all_have_begun(self, ended):
        return lambda: len(self.order) - ended == self.limiter.running

    def _copy(self, name):
        try:
            with self.limiter.slot(name[0]):
                self._ending[name] = threading.Event()
                self.order.append(name)
                self._ending[name].wait(SECONDS)
        except errors.TooManyCopies:
            self.refused.append(name)


@pytest.mark.parametrize('limit', [1, 3])
def test_never_more_than_the_limit_at_once(limit):
    limiter = CopyLimiter(limit)
    inside, most = [], []

    def body():
        for _ in range(5):
            with limiter.slot():
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


def test_first_come_first_served_within_a_project():
    copies = Copies(CopyLimiter(1))

    copies.ask('a0', 'a1', 'a2', 'a3', 'a4')

    assert copies.end() == 'a0 a1 a2 a3 a4'


def test_slots_go_to_the_projects_in_rotation():
    copies = Copies(CopyLimiter(1))

    copies.ask('a0', 'a1', 'a2', 'a3', 'b1', 'b2', 'c1')

    assert copies.end() == 'a0 b1 c1 a1 b2 a2 a3'


def test_project_with_the_fewest_copies_comes_next():
    copies = Copies(CopyLimiter(3))

    copies.ask('a0', 'a1', 'b0', 'a2', 'b1', 'c0')

    assert copies.end().split()[3:] == ['c0', 'a2', 'b1']


def test_newcomer_does_not_overtake_who_waits():
    copies = Copies(CopyLimiter(1))

    copies.ask('a0', 'b0', 'c0', 'b1')

    assert copies.end() == 'a0 b0 c0 b1'


# Copies that no volume waits for.


def test_copies_ahead_have_a_share_of_their_own():
    limiter = CopyLimiter(4)

    with limiter.slot_ahead(), limiter.slot_ahead():
        assert not limiter._take_ahead()
        with contextlib.ExitStack() as stack:
            for _ in range(4):  # none of them waits
                stack.enter_context(limiter.slot())
            assert limiter.running == 6

    assert limiter.running == 0


@pytest.mark.parametrize('limit', [1, 2])
def test_copy_ahead_begins_only_when_no_other_needs_the_slot(limit):
    limiter = CopyLimiter(limit)
    begun, end = threading.Event(), threading.Event()

    def ahead():
        with limiter.slot_ahead():
            begun.set()
            end.wait(SECONDS)

    with contextlib.ExitStack() as stack:
        for _ in range(limit):
            stack.enter_context(limiter.slot())
        thread = threading.Thread(target=ahead)
        thread.start()
        assert not begun.wait(0.1)
        assert limiter.waiting == 0  # it takes no place of another
    assert begun.wait(SECONDS)
    with limiter.slot():
        end.set()
    thread.join(SECONDS)


def test_copy_ahead_is_cancelled_while_it_waits():
    limiter, cancellation = CopyLimiter(1), copying.Cancellation()
    cancellation.cancel(errors.CopyCancelled('i'))

    with (
        limiter.slot(),
        pytest.raises((copying.Cancelled, errors.CopyCancelled)),
        limiter.slot_ahead(cancellation),
    ):
        pass


# A bound on those who wait.


def test_one_more_than_may_wait_is_refused_at_once():
    copies = Copies(CopyLimiter(1, max_waiting=2))

    copies.ask('a0', 'a1', 'a2', 'a3')

    assert copies.refused == ['a3']
    assert copies.end() == 'a0 a1 a2'


def test_nobody_waits_where_nobody_may():
    limiter = CopyLimiter(1, max_waiting=0)

    with limiter.slot('a'), pytest.raises(errors.TooManyCopies) as caught:
        limiter.slot('b').__enter__()
    assert 'cow_max_waiting_copies' in str(caught.value)


def test_one_project_cannot_hold_all_places():
    copies = Copies(CopyLimiter(1, max_waiting=4))

    copies.ask('a0', 'a1', 'a2', 'a3', 'a4')
    copies.ask('b0')
    wait_until(lambda: copies.refused == ['a4'])
    copies.ask('b1')
    wait_until(lambda: copies.refused == ['a4', 'a3'])
    copies.ask('b2', 'a5')

    assert copies.refused == ['a4', 'a3', 'b2', 'a5']
    assert copies.end() == 'a0 b0 a1 b1 a2'


def test_one_project_cannot_hold_all_places_of_those_that_wait_for_a_base():
    limiter = CopyLimiter(1, max_waiting=3)
    with contextlib.ExitStack() as stack:
        first, second, last = (
            stack.enter_context(limiter.place('a')) for _ in range(3)
        )
        other = stack.enter_context(limiter.place('b'))

        first.check()
        second.check()
        other.check()
        with pytest.raises(errors.TooManyCopies):
            last.check()
        with pytest.raises(errors.TooManyCopies):
            limiter.place('b').__enter__()
        assert limiter.waiting == 3
    assert limiter.waiting == 0


def test_who_waits_for_a_slot_gives_way_to_who_waits_for_a_base():
    limiter = CopyLimiter(1, max_waiting=2)
    copies = Copies(limiter)
    copies.ask('a0', 'a1', 'a2')

    with limiter.place('b') as place:
        wait_until(lambda: copies.refused == ['a2'])
        place.check()
    assert copies.end() == 'a0 a1'


def test_who_has_a_place_waits_for_a_slot_without_another():
    limiter = CopyLimiter(1, max_waiting=1)
    copies = Copies(limiter)
    copies.ask('a0')
    had = []

    def wait_at_the_place():
        with limiter.place('b') as place, limiter.slot('b', place=place):
            had.append(limiter.waiting)

    waiting = threading.Thread(target=wait_at_the_place, daemon=True)
    waiting.start()
    wait_until(lambda: limiter.waiting == 1)
    assert copies.end() == 'a0'
    waiting.join(SECONDS)
    assert had == [1]
    assert limiter.waiting == 0


# Errors, interrupts and cancellation.


@pytest.mark.parametrize('kind', [ValueError, KeyboardInterrupt, SystemExit])
def test_error_gives_the_slot_back(kind):
    limiter = CopyLimiter(1)

    with pytest.raises(kind), limiter.slot():
        raise kind
    with limiter.slot():
        assert limiter.running == 1
    assert limiter.running == 0


@pytest.mark.usefixtures('interruptible')
def test_interrupted_waiter_gives_its_place_up():
    limiter = CopyLimiter(1)
    done = threading.Event()
    main = threading.main_thread().ident

    def hold():
        with limiter.slot():
            wait_until(lambda: limiter.waiting)
            signal.pthread_kill(main, signal.SIGINT)
            done.wait(SECONDS)

    holder = threading.Thread(target=hold)
    holder.start()
    wait_until(lambda: limiter.running)
    with pytest.raises(KeyboardInterrupt), limiter.slot():
        raise AssertionError('has a slot')
    assert limiter.waiting == 0
    done.set()
    holder.join(SECONDS)
    assert limiter.running == 0


@pytest.mark.parametrize('given', [None, errors.LeaseLost('base', 'gone')])
def test_cancelled_waiter_gives_its_place_up(given):
    limiter, cancellation = CopyLimiter(1), copying.Cancellation()
    with limiter.slot('a'):
        timer = threading.Timer(0.05, cancellation.cancel, [given])
        timer.start()
        expected = copying.Cancelled if given is None else errors.LeaseLost
        with pytest.raises(expected), limiter.slot('b', cancellation):
            raise AssertionError('has a slot')
        assert limiter.waiting == 0
        timer.join()
    with contextlib.suppress(errors.TooManyCopies), limiter.slot('b'):
        assert limiter.running == 1


def test_cancelled_waiter_that_is_not_the_first_gives_no_slot_back():
    copies = Copies(CopyLimiter(1))
    copies.ask('a0', 'a1')
    cancellation = copying.Cancellation()
    ended = []

    def wait():
        try:
            copies.limiter.slot('a', cancellation).__enter__()
        except copying.Cancelled:
            ended.append(copies.limiter.running)

    last = threading.Thread(target=wait, daemon=True)
    last.start()
    wait_until(lambda: copies.limiter.waiting == 2)
    first = copies.limiter._waiting['a'][0]
    cancellation.cancel()
    last.join(SECONDS)

    assert ended == [1]
    assert not first.called.is_set()
    assert copies.order == ['a0']
    assert copies.end() == 'a0 a1'


def test_waiter_that_is_displaced_as_it_is_cancelled_gives_no_slot_back():
    limiter = CopyLimiter(1, max_waiting=2)
    with contextlib.ExitStack() as stack:
        stack.enter_context(limiter.slot('a'))
        stack.enter_context(limiter.place('a'))

        class CancelledMeanwhile(copying.Cancellation):
            def check(self):
                stack.enter_context(limiter.place('b'))
                raise copying.Cancelled

        with pytest.raises(copying.Cancelled):
            limiter.slot('a', CancelledMeanwhile()).__enter__()

        assert limiter.running == 1
        assert limiter.waiting == 2
    assert (limiter.running, limiter.waiting) == (0, 0)


def test_waiter_that_is_displaced_gives_no_slot_back():
    copies = Copies(CopyLimiter(1, max_waiting=2))
    copies.ask('a0', 'a1', 'a2', 'b0')
    wait_until(lambda: copies.refused == ['a2'])

    assert copies.limiter.running == 1
    assert copies.order == ['a0']
    assert copies.end() == 'a0 b0 a1'


# Under eventlet, in a process of its own: patching cannot be undone.

KILL = """
    import eventlet
    eventlet.monkey_patch()
    from cinder_cow.transfer.limiter import CopyLimiter

    limiter, order = CopyLimiter(1), []

    def body(name):
        with limiter.slot():
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
    print(*order, limiter.running, limiter.waiting)
"""
KILLED_WHILE_IT_WAITS_AS_THE_LAST = """
    with limiter.slot():
        first, second = start('first', 'second')
        second.kill()
        for _ in range(5):
            eventlet.sleep(0)
        assert order == [], order  # the slot is not free
    first.wait()
    print(*order, limiter.running, limiter.waiting)
"""
KILLED_AS_IT_GETS_ITS_SLOT = """
    with limiter.slot():
        first, second = start('first', 'second')
    first.kill()
    second.wait()
    print(*order, limiter.running, limiter.waiting)
"""
KILLED_IN_ITS_SLOT = """
    first, second = start('first', 'second')
    first.kill()
    second.wait()
    print(*order, limiter.running, limiter.waiting)
"""


@pytest.mark.parametrize(
    ('code', 'order'),
    [
        (KILLED_WHILE_IT_WAITS, 'first third'),
        (KILLED_WHILE_IT_WAITS_AS_THE_LAST, 'first'),
        (KILLED_AS_IT_GETS_ITS_SLOT, 'second'),
        (KILLED_IN_ITS_SLOT, 'first second'),
    ],
    ids=[
        'while it waits',
        'as the last',
        'as it gets its slot',
        'in its slot',
    ],
)
def test_killed_green_thread_costs_no_slot(code, order):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', textwrap.dedent(KILL + code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.strip() == f'{order} 0 0', done.stderr

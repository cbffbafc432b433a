# SPDX-License-Identifier: Apache-2.0
"""Each case runs in a process of its own: patching cannot be undone."""

import subprocess
import sys
import textwrap

import pytest

PATCH = 'import eventlet; eventlet.monkey_patch()\n'
TICKS = """
    import threading, time
    from cinder_cow import native

    ticks = 0

    def tick():
        global ticks
        for _ in range(20):
            time.sleep(0.01)
            ticks += 1

    @native.in_thread
    def block():
        # As librbd does: asleep in C, with nothing that eventlet could hook.
        native.sleep(0.5)
        return threading.get_ident()

    ticker = threading.Thread(target=tick)
    ticker.start()
    block()
    print(ticks, native.under_eventlet())
"""


def output(code):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_green_threads_go_on_while_a_call_blocks():
    assert output(PATCH + textwrap.dedent(TICKS)) == ['20', 'True']


def test_native_threads_go_on_while_a_call_blocks():
    assert output(TICKS) == ['20', 'False']


def test_a_call_that_is_not_sent_to_a_thread_does_stop_green_threads():
    # Proof that the test above can fail.
    blocking = textwrap.dedent(TICKS).replace('@native.in_thread\n', '')

    ticks, _ = output(PATCH + blocking)

    assert int(ticks) < 5


@pytest.mark.parametrize('patch', [PATCH, ''])
def test_lock_orders_native_threads(patch):
    code = """
    from cinder_cow import native

    threading = native._original('threading')
    lock = native.lock()
    count = 0

    def add():
        global count
        for _ in range(200):
            with lock:
                seen = count
                native.sleep(0)
                count = seen + 1

    threads = [threading.Thread(target=add) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    print(count)
    """
    assert output(patch + textwrap.dedent(code)) == ['1600']


@pytest.mark.parametrize('patch', [PATCH, ''])
def test_error_of_the_call_reaches_the_caller(patch):
    code = """
    from cinder_cow import native

    @native.in_thread
    def fail():
        raise ValueError('as it was')

    try:
        fail()
    except ValueError as exc:
        print(exc)
    """
    assert output(patch + textwrap.dedent(code)) == ['as', 'it', 'was']


# Logging in native threads, and in green ones at the same time.

LOG = """
    import logging, os, sys, time
    import eventlet
    from oslo_config import cfg
    from oslo_log import log
    from cinder_cow import native

    SET_UP
    LOG = logging.getLogger('cinder_cow')
    logging.getLogger().setLevel(logging.DEBUG)
    (handler,) = logging.getLogger().handlers
    emit = handler.emit

    def slowly(record):
        time.sleep(0.0002)  # green threads change places, as at a slow disk
        emit(record)

    handler.emit = slowly
    ended = []

    def write(name):
        for number in range(100):
            LOG.debug('%s %d', name, number)
        ended.append(name)

    for number in range(3):
        native.thread(lambda: write('native'), 'native').start()
        eventlet.spawn(write, 'green')
    until = time.monotonic() + SECONDS
    while len(ended) < 6 and time.monotonic() < until:
        time.sleep(0.01)
    print(len(ended), flush=True)
    os._exit(0)
"""
OSLO = """
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    conf([], default_config_files=[])
    log.setup(conf, 'cinder')
"""
PLAIN = 'logging.basicConfig(force=True)'


def logged(set_up, seconds):
    code = textwrap.dedent(LOG).replace('SECONDS', str(seconds))
    return output(PATCH + code.replace('SET_UP', textwrap.dedent(set_up)))


def test_native_threads_may_log_where_oslo_log_is_set_up():
    assert logged(OSLO, seconds=50)[-1] == '6'


def test_native_threads_that_log_hang_without_oslo_log():
    # The reason for the rule in native.py; should this fail, it may go.
    ended = logged(PLAIN, seconds=1.5)[-1]

    assert int(ended) < 6

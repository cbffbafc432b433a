# SPDX-License-Identifier: Apache-2.0
import logging
import time

from cinder.volume.drivers import rbd
from oslo_config import cfg
import pytest

from cinder_cow import errors
from cinder_cow.base_images import eviction
from cinder_cow.cinder_adapter import background, periodic_sweep, selftest
from tests.fakes.bases import MemoryBases

CONF = cfg.CONF
LIMITS = eviction.EvictionLimits(max_bytes=None, max_idle_seconds=0)


@pytest.fixture
def store(hosted):
    hosted.memory.bases = lambda: store
    store = MemoryBases(hosted.memory)
    store.add('cow-base-1', b'raw', image_id='image-1')
    return store


def no_image_is_deleted(_image_ids):
    return set()


def once(hosted, deleted_images=no_image_is_deleted):
    results = []
    periodic_sweep._once(
        LIMITS, lambda: hosted.memory, deleted_images, results.append
    )
    return results


def test_it_evicts_what_is_idle(hosted, store):
    once(hosted)

    assert store.things == store.retired == {}


def test_result_is_told(hosted, store):
    (result,) = once(hosted)

    assert [each.name for each in result.evicted] == ['cow-base-1']


def test_sweep_of_another_host_is_not_told(hosted, store):
    with store.lease('sweep'):
        assert once(hosted) == []


def test_backend_without_bases_is_left_alone(hosted, caplog):
    once(hosted)

    assert caplog.records == []


def test_storage_that_fails_is_a_warning(hosted, store, caplog):
    store.failing.add('stored_bases')

    once(hosted)

    assert 'Could not sweep the base images: ' in caplog.text


def test_what_nobody_foresaw_does_not_end_the_task(caplog):
    def fail():
        raise ValueError('unforeseen')

    background._log_failure('sweep the base images', fail)

    assert 'Could not sweep the base images' in caplog.text
    assert 'ValueError: unforeseen' in caplog.text


@pytest.fixture
def started(monkeypatch):
    """The periodic calls that were started."""
    calls = []

    class Call:
        def __init__(self, function):
            pass

        def start(self, interval, initial_delay):
            calls.append((interval, initial_delay))

    monkeypatch.setattr(
        background.loopingcall, 'FixedIntervalLoopingCall', Call
    )
    return calls


def test_it_is_started_with_the_interval(started, hosted):
    periodic_sweep.start(600, LIMITS, lambda: hosted.memory, [].append)

    assert started == [(600, 600)]


def test_zero_turns_it_off(started, hosted):
    periodic_sweep.start(0, LIMITS, lambda: hosted.memory, [].append)

    assert started == []


def test_limits_of_cinder_conf_reach_the_sweep(hosted, store, monkeypatch):
    """From the driver's start to the base that is gone."""
    tasks = []
    monkeypatch.setattr(background, 'every', lambda *task: tasks.append(task))
    monkeypatch.setattr(
        rbd.RBDDriver, 'check_for_setup_error', lambda _driver: None
    )
    monkeypatch.setattr(selftest, 'start', lambda *_args: None)
    store.add('cow-base-2', b'raw', image_id='image-2', last_used=time.time())
    store.things['cow-base-1'].last_used = time.time() - 10
    limits = {'cow_base_max_bytes': 100, 'cow_base_sweep_seconds': 77}
    for name, value in limits.items():
        CONF.set_override(name, value, group='cow')
    try:
        hosted.check_for_setup_error()
    finally:
        for name in limits:
            CONF.clear_override(name, group='cow')

    ((seconds, _title, sweep),) = tasks
    sweep()

    assert seconds == 77
    assert list(store.things) == ['cow-base-2']


def test_sweep_goes_on_when_glance_is_down(hosted, store, caplog):
    caplog.set_level(logging.WARNING)

    def down(_image_ids):
        raise OSError('no route to host')

    once(hosted, down)

    assert store.things == {}
    assert 'no route to host' in caplog.text


def test_storage_that_is_away_is_a_warning(hosted, store, caplog):
    def away():
        raise errors.StorageUnreachable('connect', OSError('down'))

    periodic_sweep._once(LIMITS, away, no_image_is_deleted, [].append)

    (line,) = caplog.records
    assert line.levelname == 'WARNING'
    assert 'Could not sweep the base images: Could not connect' in line.message
    assert list(store.things) == ['cow-base-1']

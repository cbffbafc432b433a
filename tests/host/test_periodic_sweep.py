# SPDX-License-Identifier: Apache-2.0

import logging

from cinder import exception
import pytest

from cinder_cow import errors
from cinder_cow.base_images import eviction
from cinder_cow.cinder_adapter import periodic_sweep, service_user
from tests.fakes.bases import MemoryBases

LIMITS = eviction.EvictionLimits(max_bytes=None, max_idle_seconds=0)


@pytest.fixture
def store(hosted):
    hosted.memory.bases = lambda: store
    store = MemoryBases(hosted.memory)
    store.add('cow-base-1', b'raw', image_id='image-1')
    return store


@pytest.fixture
def once(hosted):
    return lambda: periodic_sweep._once(LIMITS, hosted._backend)


def test_it_evicts_what_is_idle(store, once):
    once()

    assert store.things == store.retired == {}


def test_backend_without_bases_is_left_alone(hosted, once):
    once()


@pytest.mark.parametrize(
    'failure',
    [errors.StorageError('list', OSError('down')), ValueError('unforeseen')],
)
def test_failure_does_not_end_the_task(store, once, caplog, failure):
    def fail():
        raise failure

    store.kept = fail

    once()

    assert 'could not be looked after' in caplog.text


@pytest.fixture
def started(monkeypatch):
    """The periodic calls that were started."""
    calls = []

    class Call:
        def __init__(self, function, *args):
            self._what = (function, args)

        def start(self, interval, initial_delay):
            calls.append((*self._what, interval, initial_delay))

    monkeypatch.setattr(
        periodic_sweep.loopingcall, 'FixedIntervalLoopingCall', Call
    )
    return calls


def test_it_is_started_with_the_interval(started, hosted):
    periodic_sweep.start(600, LIMITS, hosted._backend)

    (call,) = started
    assert call[2:] == (600, 600)


def test_zero_turns_it_off(started, hosted):
    periodic_sweep.start(0, LIMITS, hosted._backend)

    assert started == []


class ImageService:
    """Knows `here`; `hidden` is deleted, and nothing of `broken`."""

    def show(self, context, image_id):
        match image_id:
            case 'here':
                return {'status': 'active'}
            case 'hidden':
                return {'status': 'deleted'}
            case 'broken':
                raise exception.GlanceConnectionFailed(reason='down')
            case _:
                raise exception.ImageNotFound(image_id=image_id)


@pytest.fixture
def glance(cinder, monkeypatch):
    monkeypatch.setattr(service_user, 'is_configured', lambda: True)
    monkeypatch.setattr(service_user, 'context', lambda: None)
    monkeypatch.setattr(
        periodic_sweep.glance, 'get_default_image_service', ImageService
    )


def test_deleted_images_are_those_that_glance_does_not_have(glance):
    found = periodic_sweep.deleted_images(['here', 'hidden', 'gone'])

    assert found == {'hidden', 'gone'}


def test_glance_that_does_not_answer_deletes_nothing(glance):
    with pytest.raises(exception.GlanceConnectionFailed):
        periodic_sweep.deleted_images(['gone', 'broken'])


def test_without_a_service_user_no_image_counts_as_deleted(cinder):
    assert periodic_sweep.deleted_images(['gone']) == set()


def test_sweep_goes_on_when_glance_is_down(store, once, glance, caplog):
    caplog.set_level(logging.WARNING)
    store.add('cow-base-2', b'raw', image_id='broken')

    once()

    assert store.things == {}

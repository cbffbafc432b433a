# SPDX-License-Identifier: Apache-2.0
"""The driver's own task, with Glance on a local port and bases in memory."""

import contextlib
import dataclasses
import types

from cinder.image import glance  # noqa: F401  registers its options
from keystoneauth1 import session, token_endpoint
import pytest

from cinder_cow import errors, wiring
from cinder_cow.base_images import ensure
from cinder_cow.base_images.warm_records import WarmRecords, WarmStage
from cinder_cow.base_images.warm_runner import WarmSettings
from cinder_cow.cinder_adapter import background, periodic_warm, service_user
from cinder_cow.planning.warm_policy import WarmPolicy
from cinder_cow.sources.glance_images import GlanceImages, GlanceNotTrusted
from tests.fakes.bases import MemoryBases
from tests.fakes.image_api import ImageApi
from tests.unit.base_images.test_ensure import BaseBuilder

IMAGE_ID = '0f0e0d0c-0000-4000-8000-000000000001'
PUBLIC = WarmSettings(WarmPolicy.PUBLIC)
IMAGE = {
    'name': 'debian',
    'status': 'active',
    'visibility': 'public',
    'owner': 'p',
    'disk_format': 'qcow2',
    'container_format': 'bare',
    'size': 100,
    'os_hash_algo': 'sha512',
    'os_hash_value': '1' * 128,
    'updated_at': '2026-01-01T00:00:00Z',
}


@pytest.fixture
def api(monkeypatch):
    with contextlib.closing(ImageApi()) as api:
        api.images = {IMAGE_ID: dict(IMAGE)}
        user = token_endpoint.Token(api.url, 't')
        images = GlanceImages(session.Session(auth=user), api.url)
        monkeypatch.setattr(service_user, 'images', lambda: images)
        monkeypatch.setattr(service_user, 'is_configured', lambda: True)
        yield api


class Builder(BaseBuilder):
    """Keeps the requests."""

    def __init__(self, store):
        super().__init__(store)
        self.requests = []

    def build(self, name, image, request, volume_bytes, lease):
        self.requests.append(request)
        return super().build(name, image, request, volume_bytes, lease)


@pytest.fixture
def parts(hosted):
    store = MemoryBases(hosted.memory)
    builder = Builder(store)
    bases = ensure.BaseImages(ensure.BaseSettings(), store, builder)
    return types.SimpleNamespace(
        backend=hosted.memory, base_images=bases, builder=builder
    )


def stage(parts):
    return WarmRecords(parts.base_images.store).images[IMAGE_ID].stage


def test_public_image_has_its_base_built_ahead(api, parts):
    periodic_warm.Warming(PUBLIC, lambda: parts).once()

    assert stage(parts) is WarmStage.DONE
    (request,) = parts.builder.requests
    assert request.ahead
    assert request.project == 'p'
    assert request.glance().http_client


def test_options_say_what_is_warmed_and_when(hosted):
    options = wiring.Options(
        hosted.configuration,
        cow_warm_images='marked',
        cow_warm_poll_seconds=7,
        cow_warm_used_seconds=11,
        cow_max_copies=6,
    )

    assert wiring.warm_settings(options) == WarmSettings(
        WarmPolicy.MARKED, 7, 11, 3
    )


def test_signed_image_is_verified_as_the_user_of_the_glance_section(
    api, parts, monkeypatch
):
    seen = []
    monkeypatch.setattr(
        periodic_warm.signatures,
        'verifier',
        lambda context, image_id, record: seen.append(context.auth_token),
    )
    api.images[IMAGE_ID]['img_signature'] = 'signed'
    user = service_user.images().session
    monkeypatch.setattr(user, 'get_user_id', lambda: 'u')
    monkeypatch.setattr(user, 'get_project_id', lambda: 'p')

    periodic_warm.Warming(PUBLIC, lambda: parts).once()
    parts.builder.requests[0].verifier()

    assert seen == ['t']


def test_storage_or_glance_that_is_down_is_a_warning(api, parts, caplog):
    warming = periodic_warm.Warming(PUBLIC, lambda: parts)
    parts.base_images.store.failing.add('lease')
    warming.once()
    assert 'Could not warm images: ' in caplog.text
    parts.base_images.store.failing.clear()

    caplog.clear()
    with contextlib.ExitStack() as stack:
        api.answers.update(
            {path: (503, {}) for path in _lists(api, warming, parts)}
        )
        stack.callback(api.answers.clear)
        warming._images = None
        warming.once()
    assert 'HTTP status 503' in caplog.text


def _lists(api, warming, parts):
    """The request for new images."""
    warming.once()
    parts.base_images.store.notes.clear()
    return [path for path in api.seen if '?' in path]


def test_images_of_others_need_a_user_that_sees_them(
    api, parts, caplog, monkeypatch
):
    def images():
        raise GlanceNotTrusted('it has not the role admin')

    monkeypatch.setattr(service_user, 'images', images)
    settings = dataclasses.replace(PUBLIC, policy=WarmPolicy.ALL)

    periodic_warm.Warming(settings, lambda: parts).once()

    assert 'Could not warm images: it has not the role admin' in caplog.text


def test_backend_without_bases_is_left_alone(api, parts):
    parts.base_images = None

    periodic_warm.Warming(PUBLIC, lambda: parts).once()

    assert api.seen == []


@pytest.fixture
def started(monkeypatch):
    calls = []
    monkeypatch.setattr(
        background,
        'again_and_again',
        lambda seconds, title, function: calls.append(seconds),
    )
    return calls


def test_it_is_started_with_the_interval(started, api):
    periodic_warm.start(PUBLIC, None)

    assert started == [30]


def test_nothing_is_warmed_by_default(hosted):
    settings = wiring.warm_settings(hosted.configuration)

    assert settings == WarmSettings(WarmPolicy.OFF, at_once=2)


def test_off_starts_nothing_and_asks_nothing(started, api):
    periodic_warm.start(WarmSettings(), None)

    assert started == []
    assert api.seen == []


def test_without_a_user_nothing_is_started(started, monkeypatch, caplog):
    monkeypatch.setattr(service_user, 'is_configured', lambda: False)

    periodic_warm.start(PUBLIC, None)

    assert started == []
    assert 'needs the [glance] section' in caplog.text


def test_task_is_called_again_after_a_failure(monkeypatch, caplog):
    calls = []

    class Call:
        def __init__(self, function):
            self.function = function

        def start(self, initial_delay):
            calls.append((initial_delay, self.function()))

    monkeypatch.setattr(background.loopingcall, 'DynamicLoopingCall', Call)

    def fail():
        raise errors.CowError('down')

    background.again_and_again(7, 'warm images', fail)

    assert calls == [(7, 7)]
    assert 'Could not warm images' in caplog.text

# SPDX-License-Identifier: Apache-2.0
"""A Cinder that cannot be worked with is refused; others are all the same."""

from cinder import exception, version
from cinder.image import glance
from cinder.volume.drivers import rbd
from keystoneauth1 import loading
from oslo_config import cfg
import pytest

from cinder_cow.cinder_adapter import cinder_release, selftest
from cinder_cow.conversion.confinement import Confinement


@pytest.fixture
def started(hosted, context):
    """Starts the driver, and answers why it was refused."""

    def start():
        with pytest.raises(exception.VolumeBackendAPIException) as caught:
            hosted.do_setup(context)
        return str(caught.value)

    return start


def test_this_release_is_supported():
    assert cinder_release.unsupported() is None


def test_older_release_is_refused_at_the_start(started, monkeypatch):
    monkeypatch.setattr(version, 'version_string', lambda: '23.3.0')

    assert 'Cinder 23.3.0, and cinder-cow needs 24 (2024.1)' in started()


@pytest.mark.parametrize(
    ('kind', 'name'),
    [
        (rbd.RBDDriver, '_setup_volume'),
        (glance.GlanceClientWrapper, '_create_onetime_client'),
    ],
)
def test_release_without_a_private_name_is_refused(
    started, monkeypatch, kind, name
):
    monkeypatch.delattr(kind, name)

    assert f'has no {kind.__name__}.{name}(' in started()


def test_release_whose_private_method_wants_more_is_refused(
    started, monkeypatch
):
    def wants_more(self, volume, kind):
        raise AssertionError

    monkeypatch.setattr(rbd.RBDDriver, '_setup_volume', wants_more)

    assert 'has no RBDDriver._setup_volume(volume)' in started()


@pytest.mark.parametrize('found', ['24.0.0', '29.0.0.dev12', 'vendor'])
def test_release_of_another_name_is_judged_by_what_it_has(monkeypatch, found):
    monkeypatch.setattr(version, 'version_string', lambda: found)

    assert cinder_release.unsupported() is None


def test_glance_section_has_the_same_options_in_every_release():
    known = [
        *loading.get_session_conf_options(),
        *loading.get_auth_common_conf_options(),
    ]
    names = {each.dest for each in known} | {'region_name'}

    assert len(names) > 5
    assert names <= set(cfg.CONF[cinder_release.GLANCE_SECTION])


def test_cinder_that_asks_as_the_user_of_the_section_is_known():
    code = glance.GlanceImageService.get_location.__code__

    assert cinder_release.asks_as_service_user() == (
        'privileged_user' in code.co_varnames
    )


@pytest.mark.parametrize('asks', [True, False])
def test_start_says_in_one_line_what_differs(
    hosted, monkeypatch, caplog, asks
):
    caplog.set_level('INFO')
    if asks:
        monkeypatch.setattr(glance, 'GLANCE_GROUP', 'glance', raising=False)
    else:
        monkeypatch.delattr(glance, 'GLANCE_GROUP', raising=False)

    selftest._run(hosted.cow_parts, Confinement(), [].append)

    assert ('cinder-cow reads it' not in caplog.text) == asks

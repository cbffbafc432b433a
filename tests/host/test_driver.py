# SPDX-License-Identifier: Apache-2.0
import logging

from cinder import exception
from cinder.volume.drivers import rbd
from keystoneauth1 import loading
from oslo_config import cfg
import pytest

from cinder_cow import driver, opts
from cinder_cow.backends.base import CheckResult
from cinder_cow.cinder_adapter import glance_selftest, image_info, records
from cinder_cow.cinder_adapter.cinder_release import GLANCE_SECTION
from measuring import in_driver

CONF = cfg.CONF


def test_our_options_stand_beside_upstreams():
    options = driver.CowRBDDriver.get_driver_options()

    assert set(opts.OPTS) < set(options)
    assert set(rbd.RBDDriver.get_driver_options()) < set(options)


def test_hooks_answer_on_the_driver_itself(hosted, image_meta, image_location):
    image = image_info.image_info(image_meta, image_location)

    assert hosted.cloneable(image)
    hosted.clone(image, 'volume-by-hook')

    assert list(hosted.memory.volumes) == ['volume-by-hook']


def test_missing_bindings_are_named_at_start_up(hosted, context):
    hosted.rados = None

    with pytest.raises(
        exception.VolumeBackendAPIException, match='python3-rados'
    ):
        hosted.do_setup(context)


def test_self_test_without_a_glance_section_names_it(cinder):
    seen = glance_selftest.look()

    (finding,) = seen.answers
    assert finding.ok is False
    assert '[glance] section' in finding.answer
    assert seen.examples == []


@pytest.fixture
def unreachable_keystone(cinder):
    password = loading.get_auth_plugin_conf_options('password')
    CONF.register_opts(password, group=GLANCE_SECTION)
    wanted = {
        'auth_type': 'password',
        'auth_url': 'http://127.0.0.1:1/v3',
        'username': 'glance',
        'password': 'secret-of-glance',
    }
    for name, value in wanted.items():
        CONF.set_override(name, value, group=GLANCE_SECTION)
    yield
    for name in wanted:
        CONF.clear_override(name, group=GLANCE_SECTION)


def test_self_test_goes_on_when_keystone_is_down(unreachable_keystone):
    seen = glance_selftest.look()

    (finding,) = seen.answers
    assert finding.ok is False
    assert 'Keystone does not answer' in finding.answer
    assert '127.0.0.1:1' in finding.answer
    assert 'secret-of-glance' not in str(finding)
    assert seen.examples == []


def test_findings_that_are_bad_are_warnings(caplog):
    caplog.set_level(logging.INFO)
    for ok in (True, None, False):
        records.check_result(CheckResult('Q', ok, 'A', 'remedy'))

    assert [r.levelno for r in caplog.records] == [
        logging.INFO,
        logging.INFO,
        logging.WARNING,
    ]
    assert 'Q: A. remedy' in caplog.text


def test_volume_that_is_measured_alone_has_what_the_driver_reads(
    hosted, context, image_meta, image_location
):
    volume = in_driver.make_volume('11111111-0000-4000-8000-000000000001')
    hosted._setup_volume = lambda volume: None

    _update, cloned = hosted.clone_image(
        context, volume, image_location, image_meta, None
    )

    assert cloned

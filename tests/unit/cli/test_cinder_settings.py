# SPDX-License-Identifier: Apache-2.0
import types

import pytest

from cinder_cow.cli import cinder_settings

FIT = {
    'verify_glance_signatures': 'enabled',
    'key_manager': 'barbican',
    'image_conversion_disable': False,
    'image_volume_cache_enabled': False,
}


def bad(**changed):
    options = types.SimpleNamespace(**{**FIT, **changed})
    return [each for each in cinder_settings.checks(options) if not each.ok]


def test_options_that_are_fit():
    assert bad() == []


@pytest.mark.parametrize(
    'manager', ['', 'cinder.keymgr.conf_key_mgr.ConfKeyManager']
)
def test_signatures_need_a_key_manager_with_certificates(manager):
    (found,) = bad(key_manager=manager)

    assert found.minor
    assert 'verify_glance_signatures' in found.remedy


def test_no_key_manager_is_needed_where_signatures_do_not_count():
    assert bad(key_manager='', verify_glance_signatures='disabled') == []


@pytest.mark.parametrize(
    'option', ['image_conversion_disable', 'image_volume_cache_enabled']
)
def test_option_that_stands_in_the_way_is_named(option):
    (found,) = bad(**{option: True})

    assert found.minor
    assert f'Set {option} = False' in found.remedy

# SPDX-License-Identifier: Apache-2.0
"""The user of the [glance] section, who may be written down wrongly."""

from keystoneauth1 import loading
from oslo_config import cfg
import pytest

from cinder_cow.cinder_adapter import service_user
from cinder_cow.cinder_adapter.cinder_release import GLANCE_SECTION
from tests.host.conftest import CONF


def test_glance_is_named_by_keystone_and_region(server):
    CONF.set_override('region_name', 'One', group=GLANCE_SECTION)
    try:
        assert service_user.glance_name() == f'{server.url} One'
    finally:
        CONF.clear_override('region_name', group=GLANCE_SECTION)


@pytest.mark.parametrize(
    'mistake',
    [
        'auth_type = passwort',
        'auth_type = password',  # and no auth_url
        'auth_type = password\nauth_section = nowhere',
    ],
)
def test_mistake_in_the_section_is_no_failure_of_a_create(
    cinder, tmp_path, monkeypatch, mistake
):
    """Each create asks for the name, and a clone needs no user."""
    file = tmp_path / 'cinder.conf'
    file.write_text(f'[{GLANCE_SECTION}]\n{mistake}\n')
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(file)], default_config_dirs=[])
    loading.register_auth_conf_options(conf, GLANCE_SECTION)
    conf.register_opt(cfg.StrOpt('region_name'), group=GLANCE_SECTION)
    monkeypatch.setattr(service_user, 'CONF', conf)

    assert [service_user.glance_name() for _ in range(2)] == ['', '']

# SPDX-License-Identifier: Apache-2.0
import contextlib

import pytest

from cinder_cow.cli import configuration, glance_access
from cinder_cow.cli.failures import CommandFailed
from tests.fakes.image_api import ImageApi

BACKEND = f"""
[DEFAULT]
enabled_backends = ceph
glance_api_servers = {{url}}
[ceph]
volume_driver = {configuration.DRIVER}
"""


@pytest.fixture
def api(monkeypatch):
    for name in glance_access.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    with contextlib.closing(ImageApi()) as api:
        api.images = {'i': 'active'}
        yield api


@pytest.fixture
def section(api, tmp_path):
    def read(login):
        lines = ['[glance]', *(f'{key} = {login[key]}' for key in login)]
        text = BACKEND.format(url=api.url)
        path = tmp_path / 'cinder.conf'
        path.write_text('\n'.join([text, *lines, '']))
        return configuration.section([str(path)], None)

    return read


@pytest.fixture
def environment(api, monkeypatch):
    for name, value in api.login().items():
        monkeypatch.setenv(f'OS_{name.upper()}', value)


def test_user_of_the_section_comes_first(section, api, environment):
    login = glance_access.login(section(api.login()))
    assert login.user == 'the user of the [glance] section'
    assert login.images.exists('i')
    assert login.client().http_client


def test_environment_stands_in_for_a_section(section, environment):
    login = glance_access.login(section({}))
    assert login.user == 'the user of the OS_* variables'
    assert login.images.exists('i')


def test_nobody_is_named(section):
    with pytest.raises(CommandFailed, match=r'no \[glance\] section') as error:
        glance_access.login(section({}))
    assert 'cinder.conf' in str(error.value)
    assert 'OS_AUTH_URL' in str(error.value)


def test_user_that_keystone_turns_away(section, api):
    login = {**api.login(), 'auth_url': 'http://127.0.0.1:1/v3'}
    with pytest.raises(CommandFailed, match='Keystone does not let in'):
        glance_access.login(section(login))


def test_environment_that_names_no_cloud(section, monkeypatch):
    monkeypatch.setenv('OS_CLOUD', 'no-such-cloud')
    with pytest.raises(CommandFailed, match='no-such-cloud'):
        glance_access.login(section({}))

# SPDX-License-Identifier: Apache-2.0
"""The plugin of DevStack, with commands in place of DevStack's functions."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[3]
DEVSTACK = ROOT / 'devstack'
SCRIPTS = [
    DEVSTACK / 'plugin.sh',
    DEVSTACK / 'settings',
    *sorted((ROOT / 'tools').glob('*.sh')),
]
#: Each writes its name and arguments; errexit is what stack.sh has.
STUBS = """\
set -o errexit
iniset() { (IFS='|'; echo "iniset|$*"); }
pip_install() { (IFS='|'; echo "pip_install|$*"); }
define_plugin() { (IFS='|'; echo "define_plugin|$*"); }
plugin_requires() { (IFS='|'; echo "plugin_requires|$*"); }
is_service_enabled() { [[ ",$ENABLED_SERVICES," == *,$1,* ]]; }
die() { shift; echo "$*" >&2; exit 1; }
"""


def devstack(script, *phase, **variables):
    """The lines that the stubs wrote, and what ended on stderr."""
    environment = {
        'PATH': os.environ['PATH'],
        'ENABLED_SERVICES': 'c-api,c-sch,c-vol',
        'CINDER_ENABLED_BACKENDS': 'ceph',
        'CINDER_CONF': '/etc/cinder/cinder.conf',
        'GLANCE_CEPH_POOL': 'images',
        'DEST': '/opt/stack',
        **variables,
    }
    done = subprocess.run(
        ['bash', '-c', f'{STUBS}source "$0" "$@"', DEVSTACK / script, *phase],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.stdout.splitlines(), done.stderr, done.returncode


def written(backend):
    return [
        f'iniset|/etc/cinder/cinder.conf|{backend}|{option}|{value}'
        for option, value in (
            ('volume_driver', 'cinder_cow.driver.CowRBDDriver'),
            ('cow_image_pools', 'images'),
            ('image_volume_cache_enabled', 'False'),
        )
    ]


def test_package_is_installed_after_cinder():
    lines, _stderr, status = devstack('plugin.sh', 'stack', 'install')

    assert lines == ['pip_install|/opt/stack/cinder-cow']
    assert status == 0


def test_each_ceph_backend_gets_our_driver():
    backends = 'lvm:lvmdriver-1,ceph,ceph:fast'

    lines, _stderr, status = devstack(
        'plugin.sh', 'stack', 'post-config', CINDER_ENABLED_BACKENDS=backends
    )

    assert lines == [*written('ceph'), *written('fast')]
    assert status == 0


def test_cloud_without_a_ceph_backend_is_an_error():
    lines, stderr, status = devstack(
        'plugin.sh',
        'stack',
        'post-config',
        CINDER_ENABLED_BACKENDS='lvm:lvmdriver-1',
    )

    assert lines == []
    assert 'CINDER_ENABLED_BACKENDS=lvm:lvmdriver-1' in stderr
    assert 'enable devstack-plugin-ceph' in stderr
    assert status == 1


@pytest.mark.parametrize('phase', ['install', 'post-config'])
def test_host_without_cinder_volume_is_left_alone(phase):
    assert devstack(
        'plugin.sh', 'stack', phase, ENABLED_SERVICES='c-api,c-sch'
    ) == ([], '', 0)


@pytest.mark.parametrize(
    'phase',
    [
        ('stack', 'pre-install'),
        ('stack', 'extra'),
        ('stack', 'test-config'),
        ('unstack',),
        ('clean',),
    ],
)
def test_other_phases_change_nothing(phase):
    assert devstack('plugin.sh', *phase) == ([], '', 0)


def test_settings_name_the_plugin_and_what_it_needs():
    lines, _stderr, status = devstack('settings')

    assert lines == [
        'define_plugin|cinder-cow',
        'plugin_requires|cinder-cow|devstack-plugin-ceph',
    ]
    assert status == 0


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_clean_to_shellcheck(path):
    done = subprocess.run(
        ['shellcheck', path], capture_output=True, text=True, timeout=60
    )

    assert done.stdout == ''
    assert done.returncode == 0

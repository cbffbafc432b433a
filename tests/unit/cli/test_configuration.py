# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder_cow.backends.rbd.settings import RbdSettings
from cinder_cow.cli import configuration
from cinder_cow.cli.failures import CommandFailed
from tests.unit.cli.conftest import CONF, OURS


def test_section_is_the_only_one_with_our_driver(conf):
    found = configuration.section([conf()], None)

    assert found.name == 'ceph'
    assert RbdSettings.from_options(found) == RbdSettings(
        cluster_name='ceph',
        conf_path='/etc/ceph/far.conf',
        user='cinder',
        pool='volumes',
        object_bytes=8 * 2**20,
        base_pool='bases',
    )
    assert found.cow_base_max_bytes == 100
    assert found.cow_base_max_idle_seconds == 9999999999


def test_section_can_be_named_though_it_is_not_enabled(conf):
    text = f'{CONF}\n[far]\nrbd_pool = distant\n'

    found = configuration.section([conf(text)], 'far')

    assert found.rbd_pool == 'distant'
    assert found.rbd_user == 'shared'


def test_of_two_backends_one_has_to_be_named(conf):
    text = CONF.replace('lvm, ceph', 'ceph, far') + f'[far]\n{OURS}\n'

    with pytest.raises(CommandFailed, match='--backend') as caught:
        configuration.section([conf(text)], None)

    assert ': ceph, far.' in str(caught.value)
    assert configuration.section([conf(text)], 'far').name == 'far'


@pytest.mark.parametrize(
    ('text', 'backend', 'reason'),
    [
        ('[DEFAULT]\n', None, 'has 0 enabled_backends'),
        (CONF, 'cehp', r'no section \[cehp\].*: ceph'),
        ('[DEFAULT]\n', 'ceph', r'no section \[ceph\].*: none'),
        ('no ini\n', None, 'See --config-file'),
    ],
)
def test_section_that_cannot_be_is_an_error(conf, text, backend, reason):
    with pytest.raises(CommandFailed, match=reason):
        configuration.section([conf(text)], backend)


def test_file_that_cannot_be_parsed_is_named_and_not_shown(tmp_path):
    secret = tmp_path / 'shadow'
    secret.write_text('root:$6$secret:19000:0:99999:7:::\nnoise\n')

    with pytest.raises(CommandFailed, match=str(secret)) as caught:
        configuration.section([str(secret)], None)

    assert 'secret$' not in str(caught.value)
    assert '$6$' not in str(caught.value)


def test_value_that_is_none_is_an_error(conf):
    text = CONF.replace('chunk_size = 8', 'chunk_size = big')

    with pytest.raises(CommandFailed, match='rbd_store_chunk_size'):
        _ = configuration.section([conf(text)], None).rbd_store_chunk_size


def test_unknown_option_is_no_attribute(conf):
    assert not hasattr(configuration.section([conf()], None), 'rbd_pol')

# SPDX-License-Identifier: Apache-2.0
"""From cinder.conf into the parts, by the driver and by the command."""

from cinder.volume import configuration
from cinder.volume import driver as volume_driver
import pytest

from cinder_cow import driver, opts, wiring
from cinder_cow.cli import configuration as cli_configuration
from tests.host import every_option

#: These have a test of their own: see every_option.
OTHERS = {
    'cow_backend',
    'cow_base_sweep_seconds',
    'cow_metrics_address',
    'cow_volume_metadata',
    'cow_warm_images',
    'cow_warm_poll_seconds',
    'cow_warm_used_seconds',
}
DEFAULTS = {option.name: option.default for option in opts.OPTS}


def by_driver(_cinder):
    made = driver.CowRBDDriver(
        configuration=configuration.Configuration(
            volume_driver.volume_opts, config_group=every_option.SECTION
        )
    )
    return made.cow_parts()


def by_command(cinder):
    section = cli_configuration.section(
        [str(cinder / 'cinder.conf')], every_option.SECTION
    )
    return wiring.parts(section)


@pytest.fixture(scope='module', params=[by_driver, by_command])
def parts(request, cinder):
    return request.param(cinder)


def test_table_has_every_option():
    assert every_option.TABLE.keys() | OTHERS == DEFAULTS.keys()


@pytest.mark.parametrize('name', every_option.TABLE)
def test_value_of_the_file_arrives(parts, name):
    _text, arrived = every_option.TABLE[name]

    for value, got in arrived:
        assert got(parts) == value
        assert value != DEFAULTS[name]

# SPDX-License-Identifier: Apache-2.0
"""The page on Cinder's own options names only what Cinder has."""

import pathlib
import re

# First: a cold import of cinder.image.glance fails in 25 to 29.
from cinder.volume.drivers import rbd  # noqa: F401  isort: skip
from cinder.common import config  # noqa: F401
from cinder.volume import configuration
from cinder.volume.flows.manager import create_volume  # noqa: F401
from oslo_config import cfg

PAGE = (
    pathlib.Path(__file__).parents[2] / 'doc' / 'source' / 'cinder_options.rst'
)
#: The page names both, and Cinder has the one or the other.
FORMERLY = {
    'image_introspection_cpu_limit': 'image_conversion_cpu_limit',
    'image_introspection_address_space_limit': (
        'image_conversion_address_space_limit'
    ),
}
FIRST_COLUMN = re.compile(r'^   \* - (``(?:.|\n)+?)\n     - ', re.M)


def test_every_option_of_cinder_in_the_tables_exists():
    rows = FIRST_COLUMN.findall(PAGE.read_text())
    named = [name for row in rows for name in re.findall(r'``(\w+)``', row)]

    assert len(named) > 20
    assert [
        name
        for name in named
        if not is_an_option(name) and not is_an_option(FORMERLY.get(name))
    ] == []


def is_an_option(name):
    backend = cfg.CONF[configuration.SHARED_CONF_GROUP]
    return name in cfg.CONF or name in backend

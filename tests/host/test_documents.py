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
FIRST_COLUMN = re.compile(r'^   \* - (``(?:.|\n)+?)\n     - ', re.M)


def test_every_option_of_cinder_in_the_tables_exists():
    backend = cfg.CONF[configuration.SHARED_CONF_GROUP]
    rows = FIRST_COLUMN.findall(PAGE.read_text())
    named = [name for row in rows for name in re.findall(r'``(\w+)``', row)]

    assert len(named) > 20
    assert [
        name for name in named if name not in cfg.CONF and name not in backend
    ] == []

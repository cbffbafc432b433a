# SPDX-License-Identifier: Apache-2.0
"""What differs between the releases of Cinder, by what each can do.

Written against 24 (2024.1) to 29 (2026.2). What is used of Cinder's private
names is listed here; a test compares it with the installed Cinder.
"""

import inspect
import re

from cinder import version
from cinder.image import glance
from cinder.volume.drivers import rbd
from keystoneauth1 import loading as keystone
from oslo_config import cfg

CONF = cfg.CONF

#: Older ones are not tested.
OLDEST = 24
#: The private methods that are called, each with the arguments it is given.
UPSTREAM_PRIVATE = {'_setup_volume': ('volume',), '_get_config_tuple': ()}
GLANCE_PRIVATE = {'_create_onetime_client': ('context',)}
#: The section that names a user who may see where images lie.
GLANCE_SECTION = 'glance'


def unsupported():
    """Why this Cinder is refused, in one sentence, or None: it is not."""
    found = version.version_string()
    major = re.match('[0-9]+', found)
    if major and int(major[0]) < OLDEST:
        return (
            f'This is Cinder {found}, and cinder-cow needs {OLDEST} (2024.1)'
            f' or newer.'
        )
    missing = [
        *_missing(rbd.RBDDriver, UPSTREAM_PRIVATE),
        *_missing(glance.GlanceClientWrapper, GLANCE_PRIVATE),
    ]
    if missing:
        return (
            f'This is Cinder {found}, which has no {" and no ".join(missing)}'
            f' that cinder-cow could call: install a version of cinder-cow'
            f' that was made for this release.'
        )
    return None


def _missing(kind, methods):
    for name, arguments in methods.items():
        try:
            inspect.signature(getattr(kind, name)).bind(None, *arguments)
        except (AttributeError, TypeError):
            yield f'{kind.__name__}.{name}({", ".join(arguments)})'


def asks_as_service_user():
    """Whether Cinder itself asks for locations as the [glance] user: from 27.

    Before, it asks as the user of the volume, who is shown none where they
    are hidden from users.
    """
    return hasattr(glance, 'GLANCE_GROUP')


def register_glance_section():
    """Have the same options in [glance], whether Cinder has them or not.

    `region_name` is an option of Cinder's from 28 on.
    """
    if not asks_as_service_user():
        keystone.register_session_conf_options(CONF, GLANCE_SECTION)
        keystone.register_auth_conf_options(CONF, GLANCE_SECTION)
    if 'region_name' not in CONF[GLANCE_SECTION]:
        CONF.register_opt(cfg.StrOpt('region_name'), group=GLANCE_SECTION)


def difference():
    """What this release makes different for an operator, or None."""
    if asks_as_service_user():
        return None
    return (
        'This Cinder has no [glance] section of its own: cinder-cow reads it,'
        ' and asks in its place where images lie that are not shown to users'
    )

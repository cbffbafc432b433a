# SPDX-License-Identifier: Apache-2.0

"""The user of the [glance] section: who sees every image and its locations."""

from cinder import context as cinder_context
from cinder.image import glance
from keystoneauth1 import loading as keystone
from oslo_config import cfg

CONF = cfg.CONF


def is_configured() -> bool:
    """Whether there is such a user. Cinder knows the section since 27."""
    return 'glance' in CONF and bool(CONF.glance.auth_type)


def context() -> cinder_context.RequestContext:
    """A context of that user, who may see all images.

    :raises Exception: of keystoneauth, when Keystone does not let it in.
    """
    group = glance.GLANCE_GROUP
    session = keystone.load_session_from_conf_options(
        CONF, group, auth=keystone.load_auth_from_conf_options(CONF, group)
    )
    # An option since Cinder 28.
    region = CONF.glance.get('region_name')
    kind, _name, interface = CONF.glance_catalog_info.split(':')
    url = session.get_endpoint(
        service_type=kind,
        interface=interface.removesuffix('URL'),
        region_name=region,
    )
    return cinder_context.RequestContext(
        is_admin=True,
        auth_token=session.get_token(),
        service_catalog=[
            {'type': kind, 'endpoints': [{interface: url, 'region': region}]}
        ],
    )

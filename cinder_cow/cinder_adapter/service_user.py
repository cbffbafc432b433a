# SPDX-License-Identifier: Apache-2.0
"""The user of the [glance] section: who sees every image and its locations."""

from cinder import context as cinder_context
from cinder.image import glance
from keystoneauth1 import loading as keystone
from oslo_config import cfg

from cinder_cow.sources.glance_images import GlanceImages

CONF = cfg.CONF


def is_configured():
    """Whether there is such a user. Cinder knows the section since 27."""
    return 'glance' in CONF and bool(CONF.glance.auth_type)


def context():
    """A context of that user, who may see all images.

    :raises Exception: of keystoneauth, when Keystone does not let it in.
    """
    session = _session()
    kind, _name, interface = CONF.glance_catalog_info.split(':')
    region, url = _region(), _catalog_url(session)
    return cinder_context.RequestContext(
        is_admin=True,
        auth_token=session.get_token(),
        service_catalog=[
            {'type': kind, 'endpoints': [{interface: url, 'region': region}]}
        ],
    )


def images():
    """All images of Glance, as this user sees them.

    :raises GlanceNotTrusted: when it does not see all images.
    :raises Exception: of keystoneauth, when Keystone does not let it in.
    """
    session = _session()
    servers = CONF.glance_api_servers
    found = GlanceImages(
        session, servers[0] if servers else _catalog_url(session)
    )
    found.require_role('the user of the [glance] section')
    return found


def _session():
    group = glance.GLANCE_GROUP
    return keystone.load_session_from_conf_options(
        CONF, group, auth=keystone.load_auth_from_conf_options(CONF, group)
    )


def _catalog_url(session):
    kind, _name, interface = CONF.glance_catalog_info.split(':')
    return session.get_endpoint(
        service_type=kind,
        interface=interface.removesuffix('URL'),
        region_name=_region(),
    )


def _region():
    # An option since Cinder 28.
    return CONF.glance.get('region_name')

# SPDX-License-Identifier: Apache-2.0
"""The user of the [glance] section: who sees every image and its locations."""

from cinder.image import glance
from keystoneauth1 import loading as keystone
from oslo_config import cfg

from cinder_cow.sources.glance_images import GlanceImages, GlanceNotTrusted

CONF = cfg.CONF


def is_configured():
    """Whether there is such a user. Cinder knows the section since 27."""
    return 'glance' in CONF and bool(CONF.glance.auth_type)


def images():
    """All images of Glance, as this user sees them.

    :raises GlanceNotTrusted: when it does not see all images.
    :raises Exception: of keystoneauth, when Keystone does not let it in.
    """
    found = glance_images()
    found.require_role('the user of the [glance] section')
    return found


def glance_images():
    """The images that Glance shows to this user.

    :raises GlanceNotTrusted: when Keystone's catalog has no Glance.
    :raises Exception: of keystoneauth, when Keystone does not let it in.
    """
    session = _session()
    servers = CONF.glance_api_servers
    url = servers[0] if servers else _catalog_url(session)
    if not url:
        raise GlanceNotTrusted(
            "Keystone's catalog has no endpoint of the image service"
        )
    return GlanceImages(session, url)


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

# SPDX-License-Identifier: Apache-2.0
"""The user of the [glance] section: who sees every image and its locations."""

from keystoneauth1 import exceptions as keystone_errors
from keystoneauth1 import loading as keystone
from oslo_config import cfg

from cinder_cow.cinder_adapter.cinder_release import GLANCE_SECTION
from cinder_cow.sources import glance_images
from cinder_cow.sources.glance_images import GlanceImages, GlanceNotTrusted

CONF = cfg.CONF


def is_configured():
    """Whether there is such a user."""
    return bool(CONF[GLANCE_SECTION].auth_type)


def glance_name():
    """Which Glance it is that this user is of; empty: it is not known.

    A mistake in the section is told where the user is needed. Each create
    asks for the name, and a clone needs no user.
    """
    try:
        if not is_configured():
            return ''
        section = CONF[GLANCE_SECTION]
        if 'auth_url' not in section:  # each kind of auth has its own options
            keystone.load_auth_from_conf_options(CONF, GLANCE_SECTION)
    except (keystone_errors.ClientException, cfg.Error):
        return ''
    return glance_images.glance_name(section, section.region_name)


def images():
    """The images of Glance, as this user sees them.

    :raises GlanceNotTrusted: when Keystone's catalog has no Glance.
    :raises Exception: of keystoneauth, when Keystone does not let it in.
    """
    session = _session()
    return GlanceImages(session, _url(session))


def all_images():
    """The same, of a user who sees all images.

    :raises GlanceNotTrusted: when it does not.
    :raises Exception: of keystoneauth, when Keystone does not let it in.
    """
    found = images()
    found.require_role('the user of the [glance] section')
    return found


def _session():
    return keystone.load_session_from_conf_options(
        CONF,
        GLANCE_SECTION,
        auth=keystone.load_auth_from_conf_options(CONF, GLANCE_SECTION),
    )


def _url(session):
    if CONF.glance_api_servers:
        url = CONF.glance_api_servers[0]
        return url if '//' in url else f'http://{url}'
    kind, _name, interface = CONF.glance_catalog_info.split(':')
    url = session.get_endpoint(
        service_type=kind,
        interface=interface.removesuffix('URL'),
        region_name=CONF[GLANCE_SECTION].region_name,
    )
    if not url:
        raise GlanceNotTrusted(
            "Keystone's catalog has no endpoint of the image service. Set"
            ' glance_api_servers, or correct glance_catalog_info and'
            ' region_name'
        )
    return url

# SPDX-License-Identifier: Apache-2.0
"""How a command reaches Glance: as cinder-volume does, or as its caller.

The user of the [glance] section of cinder.conf sees what cinder-volume sees.
Where there is none, the caller's own user is taken, from the OS_* variables
or from clouds.yaml, as `openstack` does.
"""

from dataclasses import dataclass
import os
from typing import Any

from keystoneauth1 import exceptions as keystone_errors
from keystoneauth1 import loading as keystone
from oslo_config import cfg

from cinder_cow.cli.configuration import Section
from cinder_cow.cli.failures import CommandFailed
from cinder_cow.sources import glance
from cinder_cow.sources.glance_images import GlanceImages, glance_name

GROUP = 'glance'
#: Of Cinder, as cinder/image/glance.py and cinder/common/config.py have them.
OPTIONS = (
    cfg.ListOpt('glance_api_servers'),
    cfg.StrOpt('glance_catalog_info', default='image:glance:publicURL'),
)
#: Of the [glance] section, beside those of keystoneauth.
GROUP_OPTIONS = (cfg.StrOpt('region_name'),)
ENVIRONMENT = ('OS_CLOUD', 'OS_AUTH_URL')


@dataclass(frozen=True, slots=True)
class GlanceLogin:
    """A user whom Glance answers, and where that user is named."""

    images: GlanceImages
    user: str
    #: See :func:`cinder_cow.sources.glance_images.glance_name`.
    glance_name: str = ''

    def client(self) -> Any:
        """A `glanceclient.Client`, for a download."""
        return glance.download_client(self.images.session, self.images.url)


def has_section(section: Section) -> bool:
    """Whether cinder.conf has a [glance] section with a user."""
    _register(section.conf)
    return bool(section.conf[GROUP].auth_type)


def login(section: Section) -> GlanceLogin:
    """Log in at Keystone, as the first user that is named.

    :raises CommandFailed: when none is, or Keystone does not let it in.
    """
    if has_section(section):
        return _checked(of_section, section)
    if any(os.environ.get(each) for each in ENVIRONMENT):
        return _checked(_of_environment, section)
    files = ', '.join(section.conf.config_file)
    raise CommandFailed(
        f'Nothing names a user for Glance: {files} has no [glance] section'
        f' with auth_type, and neither'
        f' {" nor ".join(ENVIRONMENT)} is set. Add the section, or load an'
        f' openrc file.'
    )


def _checked(make: Any, section: Section) -> GlanceLogin:
    """
    :raises CommandFailed: when Keystone does not let the user in.
    """
    try:
        found: GlanceLogin = make(section)
        found.images.roles()
    except keystone_errors.ClientException as exc:
        raise CommandFailed(
            f'Keystone does not let in the user of {_place(section)}: {exc}.'
            f' Correct its name, password, project and auth_url.'
        ) from exc
    return found


def _place(section: Section) -> str:
    return 'the [glance] section' if has_section(section) else 'OS_*'


def of_section(section: Section) -> GlanceLogin:
    """The user of the [glance] section, as far as it is told here.

    :raises Exception: of keystoneauth, when Keystone does not let it in.
    :raises CommandFailed: when the catalog has no Glance.
    """
    conf = section.conf
    _register(conf)
    session = keystone.load_session_from_conf_options(
        conf, GROUP, auth=keystone.load_auth_from_conf_options(conf, GROUP)
    )
    if conf.glance_api_servers:
        url = conf.glance_api_servers[0]
    else:
        kind, _name, interface = conf.glance_catalog_info.split(':')
        url = session.get_endpoint(
            service_type=kind,
            interface=interface.removesuffix('URL'),
            region_name=conf[GROUP].region_name,
        )
    return GlanceLogin(
        _images(session, url),
        'the user of the [glance] section',
        glance_name(session.auth, conf[GROUP].region_name),
    )


def _of_environment(section: Section) -> GlanceLogin:
    # Heavy, and not needed where cinder.conf names the user.
    from openstack import exceptions
    import openstack.config

    try:
        cloud = openstack.config.OpenStackConfig().get_one(
            os.environ.get('OS_CLOUD')
        )
        session = cloud.get_session()
        servers = section.conf.glance_api_servers
        url = servers[0] if servers else cloud.get_session_endpoint('image')
    except exceptions.SDKException as exc:
        raise CommandFailed(
            f'The OS_* variables name no cloud that can be used: {exc}'
        ) from exc
    return GlanceLogin(
        _images(session, url),
        'the user of the OS_* variables',
        glance_name(session.auth, cloud.region_name),
    )


def _images(session: Any, url: str | None) -> GlanceImages:
    if not url:
        raise CommandFailed(
            "Keystone's catalog has no endpoint of the image service. Set"
            ' glance_api_servers, or correct glance_catalog_info and'
            ' region_name.'
        )
    return GlanceImages(session, url if '//' in url else f'http://{url}')


def _register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTIONS)
    conf.register_opts(GROUP_OPTIONS, group=GROUP)
    keystone.register_session_conf_options(conf, GROUP)
    keystone.register_auth_conf_options(conf, GROUP)
    if conf[GROUP].auth_type:
        # Each kind of auth has options of its own.
        keystone.load_auth_from_conf_options(conf, GROUP)

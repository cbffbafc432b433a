# SPDX-License-Identifier: Apache-2.0
"""The user of the [glance] section: who sees every image and its locations."""

from cinder import context as cinder_context
from cinder.image import glance
from keystoneauth1 import adapter
from keystoneauth1 import loading as keystone
from oslo_config import cfg

CONF = cfg.CONF
#: Of one request to Glance.
TIMEOUT_SECONDS = 30
#: Glance shows private images of other projects to this role alone.
ROLE = 'admin'


class GlanceNotTrusted(Exception):
    """What answers is not Glance, or does not let us see its images."""


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


class Images:
    """Asks Glance's API itself: glanceclient takes any 404 for an answer."""

    def __init__(self):
        """
        :raises GlanceNotTrusted: when the user cannot see all images.
        :raises Exception: of keystoneauth, when Keystone does not let it in.
        """
        session = _session()
        roles = session.auth.get_access(session).role_names
        if ROLE not in roles:
            raise GlanceNotTrusted(
                f'the user of the [glance] section has the roles'
                f' {", ".join(roles) or "none"}, and not {ROLE}: it does not'
                f' see the private images of others. Give it that role'
            )
        servers = CONF.glance_api_servers
        url = servers[0] if servers else _catalog_url(session)
        self._url = url.rstrip('/').removesuffix('/v2')
        self._glance = adapter.Adapter(session, endpoint_override=self._url)

    def exists(self, image_id):
        """Whether Glance has the image.

        :raises GlanceNotTrusted: when the answer is none of Glance's API.
        """
        status, body = self._get(f'/v2/images/{image_id}')
        if status == 200 and body.get('id') == image_id:
            return body.get('status') != 'deleted'
        if status == 404 and str(body.get('code', '')).startswith('404'):
            return False
        raise self._not_glance(image_id, status)

    def require_any_image(self):
        """See that Glance shows any image at all.

        :raises GlanceNotTrusted: when it shows none.
        """
        status, body = self._get('/v2/images?limit=1')
        images = body.get('images')
        if status != 200 or not isinstance(images, list):
            raise self._not_glance('the list of images', status)
        if not images or not self.exists(images[0]['id']):
            raise GlanceNotTrusted('Glance shows no image at all')

    def _get(self, path):
        answer = self._glance.get(
            path,
            raise_exc=False,
            timeout=TIMEOUT_SECONDS,
            headers={'Accept': 'application/json'},
        )
        try:
            body = answer.json()
        except ValueError:
            body = None
        return answer.status_code, body if isinstance(body, dict) else {}

    def _not_glance(self, asked, status):
        return GlanceNotTrusted(
            f'{self._url} answered the request for {asked}'
            f' with the HTTP status {status}, and not as the image API does.'
            f' See glance_api_servers in cinder.conf'
        )


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

# SPDX-License-Identifier: Apache-2.0
"""What Glance's API says of its images, to a user who may see them all.

It is asked without glanceclient, which takes any 404 for Glance's own.
"""

from collections.abc import Iterable, Iterator
from typing import Any
import urllib.parse

from keystoneauth1 import adapter

from cinder_cow import errors
from cinder_cow.model import ImageInfo
from cinder_cow.planning import image_record

#: Of one request to Glance.
TIMEOUT_SECONDS = 30
#: Glance shows private images of other projects to this role alone.
ROLE = 'admin'
#: Of one page of a list of images; Glance's own api_limit_max is 1000.
PAGE_IMAGES = 500
#: Of one request that names its images: so many ids make 2 KB of a URL, and
#: uwsgi takes 4 KB of a request's head.
NAMED_IMAGES = 50


def glance_name(auth: Any, region_name: str | None) -> str:
    """Tells the Glance servers apart that have no image in common.

    There is one in each region of each Keystone: those behind its endpoints
    share a database. Empty: it is not known.

    :param auth: what has the `auth_url`: a plugin of keystoneauth, or its
        section.
    """
    keystone = getattr(auth, 'auth_url', None) or ''
    keystone = keystone.rstrip('/').removesuffix('/v3').rstrip('/')
    return f'{keystone} {region_name or ""}'.strip()


class GlanceNotTrusted(errors.CowError):
    """What answers is not Glance, or does not let us see its images."""

    #: Of HTTP, where that is why.
    status: int | None = None


class GlanceImages:
    """The images of one Glance. Thread-safe, as its session is."""

    def __init__(self, session: Any, url: str) -> None:
        """:param url: of Glance, with or without its ``/v2``."""
        self.session = session
        self.url = url.rstrip('/').removesuffix('/v2')
        self._glance = adapter.Adapter(session, endpoint_override=self.url)

    def roles(self) -> list[str]:
        """The roles of the user that Glance is asked as.

        :raises Exception: of keystoneauth, when Keystone does not let it in.
        """
        access = self.session.auth.get_access(self.session)
        return sorted(access.role_names)

    def role_remedy(self, role: str) -> str:
        """The command that gives the user that role."""
        user, project = (
            self.session.get_user_id(),
            self.session.get_project_id(),
        )
        return f'openstack role add --user {user} --project {project} {role}'

    def require_role(self, user: str) -> None:
        """See that the user is shown all images.

        :param user: what it is called in the error.
        :raises GlanceNotTrusted: when it is not.
        """
        roles = self.roles()
        if ROLE not in roles:
            raise GlanceNotTrusted(
                f'{user} has the roles {", ".join(roles) or "none"}, and not'
                f' {ROLE}: it does not see the private images of others. Give'
                f' it that role'
            )

    def exists(self, image_id: str) -> bool:
        """Whether Glance has the image.

        :raises GlanceNotTrusted: when the answer is none of Glance's API.
        """
        record = self.record(image_id)
        return record is not None and record.get('status') != 'deleted'

    def existing(self, image_ids: Iterable[str]) -> set[str]:
        """Those that Glance has.

        Asked in pages. One that is not listed is asked for by itself: it may
        be hidden, and only a 404 of its own says that it is gone.

        :raises GlanceNotTrusted: when an answer is none of Glance's API.
        """
        asked = list(image_ids)
        listed: set[str] = set()
        for start in range(0, len(asked), NAMED_IMAGES):
            named = ','.join(asked[start : start + NAMED_IMAGES])
            for record in self.records(id=f'in:{named}'):
                if record.get('status') != 'deleted':
                    listed.add(record['id'])
        return {each for each in asked if each in listed or self.exists(each)}

    def record(self, image_id: str) -> dict[str, Any] | None:
        """The image as Glance's API shows it; None: there is none.

        :raises GlanceNotTrusted: when the answer is none of Glance's API.
        """
        path = f'/v2/images/{urllib.parse.quote(image_id, safe="")}'
        status, body = self._get(path)
        if status == 200 and isinstance(body, dict):
            if body.get('id') == image_id:
                return body
        elif status == 404 and _is_glances(body):
            return None
        raise self._not_glance(image_id, status)

    def records(self, **filters: str) -> Iterator[dict[str, Any]]:
        """All images, page by page, those that match the filters of the API.

        :raises GlanceNotTrusted: when the answer is none of Glance's API.
        """
        query = urllib.parse.urlencode({'limit': PAGE_IMAGES, **filters})
        path: str | None = f'/v2/images?{query}'
        while path:
            status, body = self._get(path)
            images = body.get('images') if isinstance(body, dict) else None
            if status != 200 or not isinstance(images, list):
                raise self._not_glance('the list of images', status)
            yield from images
            path = body.get('next')

    def require_any_image(self) -> None:
        """See that Glance shows any image at all.

        :raises GlanceNotTrusted: when it shows none.
        """
        first = next(self.records(limit='1'), None)
        if first is None or not self.exists(first['id']):
            raise GlanceNotTrusted('Glance shows no image at all')

    def locations(self, record: dict[str, Any]) -> tuple[str, ...]:
        """The URLs of an image's copies, as Cinder would be shown them.

        Glance 2024.2 and newer tell them at a path of their own, to the role
        service alone; else they stand in the image's record, where Glance is
        configured to show them.

        :raises GlanceNotTrusted: when the answer is none of Glance's API.
        """
        status, body = self._get(f'/v2/images/{record["id"]}/locations')
        if status != 200:
            body = record.get('locations') or ()
        entries = body if isinstance(body, list) else ()
        urls = [each.get('url') for each in entries if isinstance(each, dict)]
        found = (*urls, record.get('direct_url'))
        return tuple(dict.fromkeys(each for each in found if each))

    def location_status(self, image_id: str) -> int:
        """The HTTP status of Glance's answer to where an image lies.

        By the path of Glance 2024.2 and newer; an older one answers 404.
        """
        return self._get(f'/v2/images/{image_id}/locations')[0]

    def image_info(
        self, record: dict[str, Any], verify_signatures: bool
    ) -> ImageInfo:
        """What is decided by.

        :raises GlanceNotTrusted: when the answer is none of Glance's API.
        """
        return image_record.image_info(
            record, record, self.locations(record), verify_signatures
        )

    def _get(self, path: str) -> tuple[int, Any]:
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
        return answer.status_code, body

    def _not_glance(self, asked: str, status: int) -> GlanceNotTrusted:
        error = GlanceNotTrusted(
            f'{self.url} answered the request for {asked}'
            f' with the HTTP status {status}, and not as the image API does.'
            f' See glance_api_servers in cinder.conf'
        )
        error.status = status
        return error


def _is_glances(body: Any) -> bool:
    """Whether an error is one that Glance's API itself writes."""
    return isinstance(body, dict) and str(body.get('code', '')).startswith(
        '404'
    )

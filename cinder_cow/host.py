# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""What we know about Cinder: its terms into ours, our errors into its own.

Beside driver.py the only file that imports Cinder. Written against the
releases 24 to 29; what differs between them is said where it matters.
"""

from collections.abc import Iterator
import contextlib
from typing import Any

# First: a cold import of cinder.image.glance fails in 25 to 29.
from cinder.volume.drivers import rbd as upstream  # noqa: F401  isort: skip
from cinder import context as cinder_context
from cinder import exception
from cinder.image import glance
from cinder.message import api as message_api
from cinder.message import message_field
from keystoneauth1 import loading as keystone
from oslo_config import cfg
from oslo_log import log as logging

from cinder_cow import errors
from cinder_cow import location
from cinder_cow.backends.base import Finding
from cinder_cow.backends.base import Settings
from cinder_cow.model import ImageInfo
from cinder_cow.model import Result
from cinder_cow.model import SnapshotRef
from cinder_cow.model import Target
from cinder_cow.model import Verdict

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

GIB = 2**30
MIB = 2**20
#: Names of upstream's driver that are not public and that driver.py uses,
#: with their parameters. The same from Cinder 21 to 29.
UPSTREAM_PRIVATE = {
    '_setup_volume': ('self', 'volume', 'volume_type'),
    '_get_config_tuple': ('self', 'remote'),
}
#: Images that the self-test looks at: enough to meet one in every store.
SELF_TEST_IMAGES = 5


def image_info(
    image_meta: dict[str, Any], image_location: Any = None
) -> ImageInfo:
    """The image, as Cinder hands it to ``clone_image``."""
    properties = image_meta.get('properties') or {}
    return ImageInfo(
        image_id=image_meta['id'],
        status=image_meta.get('status') or 'unknown',
        disk_format=image_meta.get('disk_format') or 'unknown',
        container_format=image_meta.get('container_format'),
        size_bytes=int(image_meta.get('size') or 0),
        locations=locations(image_location),
        signed=any(name.startswith('img_signature') for name in properties),
    )


def locations(image_location: Any) -> tuple[str, ...]:
    """The URLs in what ``GlanceImageService.get_location`` answered.

    That is None, or a pair of a URL or None, and a list or None. A hidden
    location leaves (None, None), and in Cinder 27 or newer (None, []).
    """
    direct_url, listed = image_location or (None, None)
    urls = [entry.get('url') for entry in listed or ()]
    return tuple(dict.fromkeys(url for url in (*urls, direct_url) if url))


def target(volume: Any) -> Target:
    """The volume to be made."""
    return Target(volume.id, volume.name, int(volume.size) * GIB)


def settings(configuration: Any, config_tuple: tuple[Any, ...]) -> Settings:
    """The backend's settings, from its section of cinder.conf.

    :param config_tuple: what ``_get_config_tuple`` answers: it changes when
        Cinder fails the backend over to another cluster.
    """
    name, conf_path, user, _secret = config_tuple
    return Settings(
        cluster_name=name,
        conf_path=conf_path,
        user=user,
        pool=configuration.rbd_pool,
        object_bytes=configuration.rbd_store_chunk_size * MIB,
        timeout_seconds=configuration.rados_connect_timeout,
        connect_attempts=configuration.rados_connection_retries,
        connect_interval_seconds=configuration.rados_connection_interval,
        image_pools=tuple(configuration.cow_image_pools),
        strict_locations=configuration.cow_strict_locations,
        verify_signatures=CONF.verify_glance_signatures != 'disabled',
    )


@contextlib.contextmanager
def translated(context: Any, volume: Any) -> Iterator[None]:
    """Our errors into Cinder's, with the message that the user will see.

    ImageTooBig ends the create; the others let Cinder try another host.
    """
    try:
        yield
    except errors.ImageTooBig as exc:
        raised = exception.ImageTooBig(image_id=exc.image_id, reason=str(exc))
        message_api.API().create(
            context,
            message_field.Action.COPY_IMAGE_TO_VOLUME,
            resource_uuid=volume.id,
            detail=message_field.Detail.NOT_ENOUGH_SPACE_FOR_IMAGE,
            exception=raised,
        )
        raise raised from exc
    except errors.CowError as exc:
        raise exception.VolumeBackendAPIException(
            data=f'volume {volume.id}: {exc}'
        ) from exc


def report(result: Result, verdict: Verdict) -> None:
    """The one INFO line of a volume, and a WARNING per likely mistake."""
    LOG.info('volume from image: %s', result)
    if verdict:
        return
    for refusal in verdict.refusals:
        if refusal.misconfigured:
            LOG.warning(
                'volume=%s image=%s is made by a full copy (%s): %s',
                result.volume_id,
                result.image_id,
                refusal.code.value,
                refusal,
            )


def report_finding(finding: Finding) -> None:
    """One line of the self-test."""
    log = LOG.warning if finding.ok is False else LOG.info
    log('self-test: %s', finding)


def glance_finding() -> tuple[Finding, list[SnapshotRef]]:
    """Whether Glance shows locations to us, and some that it showed."""
    question = 'Does Glance show us where images lie'
    if not CONF.glance.auth_type:
        return _no_glance_section(question), []
    try:
        context = _service_context()
        service = glance.get_default_image_service()
        images = service.detail(
            context, filters={'status': 'active'}, limit=SELF_TEST_IMAGES
        )[:SELF_TEST_IMAGES]
        urls = [
            url
            for image in images
            for url in locations(service.get_location(context, image['id']))
        ]
    except Exception as exc:  # noqa: BLE001  Glance may be down: start anyway
        return Finding(question, None, f'not known, {exc}'), []
    refs = [location.parse(url) for url in urls]
    return (
        _shown(question, len(images), len(urls)),
        [ref for ref in refs if isinstance(ref, SnapshotRef)],
    )


def _no_glance_section(question: str) -> Finding:
    return Finding(
        question,
        False,
        'not known: cinder.conf has no [glance] section, without which'
        " Glance's location API answers 403 and every volume is a full copy",
        'Add one with auth_type, auth_url and so on, of a user that has the'
        ' roles service and admin',
    )


def _shown(question: str, images: int, urls: int) -> Finding:
    if not images:
        return Finding(question, None, 'not known, there is no image yet')
    if urls:
        return Finding(question, True, f'yes, {urls} for {images} images')
    return Finding(
        question,
        False,
        f'no, none for {images} images: every volume is a full copy',
        'Give the user of the [glance] section the roles service and admin',
    )


def _service_context() -> cinder_context.RequestContext:
    """A context that may list images, as the user of the [glance] section."""
    group = glance.GLANCE_GROUP
    session = keystone.load_session_from_conf_options(
        CONF, group, auth=keystone.load_auth_from_conf_options(CONF, group)
    )
    kind, _name, interface = CONF.glance_catalog_info.split(':')
    url = session.get_endpoint(
        service_type=kind,
        interface=interface.removesuffix('URL'),
        region_name=CONF.glance.region_name,
    )
    return cinder_context.RequestContext(
        is_admin=True,
        auth_token=session.get_token(),
        service_catalog=[
            {
                'type': kind,
                'endpoints': [
                    {interface: url, 'region': CONF.glance.region_name}
                ],
            }
        ],
    )

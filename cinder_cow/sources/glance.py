# SPDX-License-Identifier: Apache-2.0
"""An image's bytes from Glance's API, by HTTP."""

from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
import functools
from http import client
from typing import Any, Self
import urllib.parse

from glanceclient import exc as glance_errors
from glanceclient.v2 import client as glance_client
from keystoneauth1 import adapter
from keystoneauth1 import exceptions as keystone_errors
from oslo_log import log as logging
import requests
import urllib3

from cinder_cow import errors
from cinder_cow.model import ImageInfo, Refusal
from cinder_cow.sources import http_body
from cinder_cow.sources.base import GlanceAccess, ImageSource, StreamReading
from cinder_cow.sources.http_body import Body

LOG = logging.getLogger(__name__)

#: An RBD object: where a chunk is one, it is written without another copy.
CHUNK_BYTES = 4 * 2**20
#: How often a broken download is resumed where Glance's store can do that.
RESUMES = 3
#: What a connection ends with that breaks on the way.
BROKEN = (
    urllib3.exceptions.HTTPError,
    client.HTTPException,
    OSError,
    http_body.Incomplete,
)
#: What a request ends with. requests lets some of urllib3's own pass.
UNREACHABLE = (
    glance_errors.ClientException,
    keystone_errors.ClientException,
    requests.exceptions.RequestException,
    *BROKEN,
)


@dataclass(frozen=True, slots=True)
class GlanceSettings:
    """How Glance is read."""

    #: Glance's stores in the order in which they are preferred.
    stores: tuple[str, ...] = ()
    #: A download fails when no byte came for so long.
    stall_seconds: int = 60


def download_client(session: Any, url: str) -> Any:
    """A `glanceclient.Client` for a download, as the session's user.

    :param url: of Glance, without its ``/v2``.
    """
    return glance_client.Client(session=session, endpoint_override=url)


class GlanceSource(ImageSource):
    """Glance's API. It has every image."""

    def __init__(self, settings: GlanceSettings) -> None:
        self._settings = settings

    @classmethod
    def from_options(cls, options: Any) -> Self:
        return cls(
            GlanceSettings(
                tuple(options.cow_glance_stores), options.cow_stall_seconds
            )
        )

    def open(
        self, image: ImageInfo, glance: GlanceAccess
    ) -> StreamReading | list[Refusal]:
        return GlanceReading(image, glance, self._settings)


class GlanceReading(StreamReading):
    """The download of one image. Used once."""

    def __init__(
        self, image: ImageInfo, glance: GlanceAccess, settings: GlanceSettings
    ) -> None:
        super().__init__('glance')
        self._image = image
        self._glance = glance
        self._settings = settings
        self._resources = contextlib.ExitStack()
        self._resumes = 0
        self._body: Body | None = None
        self._interrupted = False

    def chunks(self) -> Iterator[bytes]:
        position = 0
        body = self._begin(position)[1]
        while True:
            try:
                for chunk in body.chunks(CHUNK_BYTES):
                    position += len(chunk)
                    yield chunk
            except urllib3.exceptions.ReadTimeoutError as exc:
                raise self._stalled(position) from exc
            except BROKEN as exc:
                body = self._resume(position, exc)
            else:
                # Without a length, as in HTTP/1.0, nothing else shows it.
                if position >= self._image.size_bytes:
                    return
                body = self._resume(position, 'it ended early')

    def interrupt(self) -> None:
        self._interrupted = True
        body = self._body
        if body is not None:
            body.interrupt()

    def close(self) -> None:
        self._resources.close()

    def _begin(self, position: int) -> tuple[requests.Response, Body]:
        """The answer to a request for all bytes from ``position`` on."""
        try:
            return self._get(position)
        except errors.SourceError:
            raise
        except keystone_errors.ConnectTimeout as exc:  # also while it waits
            raise self._stalled(position) from exc
        except http_body.Interrupted as exc:
            raise self._unreachable('it was interrupted') from exc
        except UNREACHABLE as exc:
            raise self._unreachable(exc) from exc
        except Exception as exc:  # noqa: BLE001  Cinder's and plugins' clients
            reason = f'{type(exc).__name__}: {exc}'
            raise self._unreachable(reason) from exc

    def _resume(self, position: int, broken: object) -> Body:
        """The rest of the body, if Glance's store can send a range.

        :raises SourceDamaged: if not.
        """
        if self._interrupted:
            raise self._unreachable('it was interrupted')
        LOG.debug(
            'image=%s the download broke after %d bytes: %s',
            self._image.image_id,
            position,
            broken,
        )
        self._resumes += 1
        cause = broken if isinstance(broken, Exception) else None
        if position > 0 and self._resumes <= RESUMES:
            response, body = self._begin(position)
            begins = response.headers.get('Content-Range', '')
            if response.status_code == requests.codes.partial_content and (
                begins.startswith(f'bytes {position}-')
            ):
                return body
        raise errors.SourceDamaged(
            'glance',
            self._image.image_id,
            f'the download broke after {position} bytes'
            f' of {self._image.size_bytes or "an unknown number"} ({broken}),'
            f' and could not be resumed',
        ) from cause

    def _get(self, position: int) -> tuple[requests.Response, Body]:
        http = self._glance().http_client
        # What a proxy compresses is not the image, nor has it its offsets.
        headers = {'Accept-Encoding': 'identity'}
        if position:
            headers['Range'] = f'bytes={position}-'
        # Not by glanceclient itself: it has no ranges, spoils the header of
        # one by quoting, and hashes what we hash in a thread of its own.
        ask = functools.partial(
            adapter.Adapter.request,
            http,
            self._path(),
            'GET',
            headers=headers,
            stream=True,
            raise_exc=position == 0,
            timeout=self._settings.stall_seconds,
        )
        response = http_body.answer(ask, lambda: self._interrupted)
        body = self._resources.enter_context(Body(response))
        self._body = body
        if self._interrupted:  # meanwhile
            body.interrupt()
        if response.status_code == requests.codes.no_content:
            raise self._unreachable('it holds no data')
        if position == 0 and response.status_code != requests.codes.ok:
            raise self._unreachable(
                f'the answer is HTTP {response.status_code} and not 200'
            )
        return response, body

    def _path(self) -> str:
        path = f'/v2/images/{self._image.image_id}/file'
        stores = self._settings.stores
        if not stores:
            return path
        query: dict[str, Any] = {'prefer': ','.join(stores)}
        return f'{path}?{urllib.parse.urlencode(query)}'

    def _unreachable(self, reason: object) -> errors.SourceUnreachable:
        return errors.SourceUnreachable('glance', self._image.image_id, reason)

    def _stalled(self, position: int) -> errors.SourceStalled:
        return errors.SourceStalled(
            'glance',
            self._image.image_id,
            f'no byte came for {self._settings.stall_seconds} s after the'
            f' first {position}',
        )

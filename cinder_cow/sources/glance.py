# SPDX-License-Identifier: Apache-2.0
"""An image's bytes from Glance's API, by HTTP."""

from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
from typing import Any, Self
import urllib.parse

from glanceclient import exc as glance_errors
from keystoneauth1 import adapter
from keystoneauth1 import exceptions as keystone_errors
import requests
import urllib3

from cinder_cow import errors
from cinder_cow.model import ImageInfo, Refusal
from cinder_cow.sources.base import GlanceAccess, ImageSource, StreamReading

#: An RBD object: where a chunk is one, it is written without another copy.
CHUNK_BYTES = 4 * 2**20
#: A broken download is taken up again so often where Glance's store can.
RESUMES = 3
#: What a connection ends with that breaks on the way.
BROKEN = (urllib3.exceptions.HTTPError, OSError)
UNREACHABLE = (
    glance_errors.ClientException,
    keystone_errors.ClientException,
    requests.exceptions.RequestException,
)


@dataclass(frozen=True, slots=True)
class GlanceSettings:
    """How Glance is read."""

    #: Glance's stores, those to be read first in front.
    stores: tuple[str, ...] = ()
    #: A download is given up when no byte came for so long.
    stall_seconds: int = 60


class GlanceSource(ImageSource):
    """Glance has every image."""

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
    """One image. Read once."""

    def __init__(
        self, image: ImageInfo, glance: GlanceAccess, settings: GlanceSettings
    ) -> None:
        super().__init__('glance')
        self._image = image
        self._glance = glance
        self._settings = settings
        self._resources = contextlib.ExitStack()
        self._resumes = 0

    def chunks(self) -> Iterator[bytes]:
        position = 0
        response = self._begin(position)
        while True:
            try:
                # Not iter_content: it copies everything once more.
                for chunk in response.raw.stream(
                    CHUNK_BYTES, decode_content=False
                ):
                    position += len(chunk)
                    yield chunk
            except urllib3.exceptions.ReadTimeoutError as exc:
                raise self._stalled(position) from exc
            except BROKEN as exc:
                response = self._resume(position, exc)
            else:
                # HTTP/1.0 has no other sign of a break than a short body.
                if position >= self._image.size_bytes:
                    return
                response = self._resume(position, 'it ended early')

    def close(self) -> None:
        self._resources.close()

    def _begin(self, position: int) -> requests.Response:
        try:
            return self._get(position)
        except keystone_errors.ConnectTimeout as exc:  # also while it waits
            raise self._stalled(position) from exc
        except UNREACHABLE as exc:
            raise self._unreachable(exc) from exc

    def _resume(self, position: int, broken: object) -> requests.Response:
        """The rest of the body, where Glance's store can begin there."""
        self._resumes += 1
        cause = broken if isinstance(broken, Exception) else None
        if position > 0 and self._resumes <= RESUMES:
            response = self._begin(position)
            begins = response.headers.get('Content-Range', '')
            if response.status_code == requests.codes.partial_content and (
                begins.startswith(f'bytes {position}-')
            ):
                return response
        raise errors.SourceDamaged(
            'glance',
            self._image.image_id,
            f'the download broke after {position} bytes'
            f' of {self._image.size_bytes or "an unknown number"} ({broken}),'
            f' and could not be taken up there',
        ) from cause

    def _get(self, position: int) -> requests.Response:
        http = self._glance().http_client
        # What a proxy compresses is not the image, nor has it its offsets.
        headers = {'Accept-Encoding': 'identity'}
        if position:
            headers['Range'] = f'bytes={position}-'
        # Not by glanceclient itself: it has no ranges, spoils the header of
        # one by quoting, and hashes what we hash in a thread of its own.
        response: requests.Response = adapter.Adapter.request(
            http,
            self._path(),
            'GET',
            headers=headers,
            stream=True,
            raise_exc=position == 0,
            timeout=self._settings.stall_seconds,
        )
        self._resources.callback(response.close)
        if response.status_code == requests.codes.no_content:
            raise self._unreachable('it holds no data')
        return response

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

# SPDX-License-Identifier: Apache-2.0
"""A source: images from a web server that has them by their ids."""

import urllib.request

from oslo_config import cfg

from cinder_cow import errors
from cinder_cow.model import Refusal, RefusalCode
from cinder_cow.sources import base


class WebReading(base.StreamReading):
    def __init__(self, image, body):
        super().__init__('web')
        self._image = image
        self._body = body

    def chunks(self):
        try:
            while chunk := self._body.read(2**20):
                yield chunk
        except OSError as exc:
            raise errors.SourceDamaged(
                'web', self._image.image_id, exc
            ) from exc

    def close(self):
        self._body.close()


class WebSource(base.ImageSource):
    OPTIONS = (cfg.StrOpt('web_url', help='Where the images are.'),)

    def __init__(self, url):
        self._url = url

    @classmethod
    def from_options(cls, options):
        return cls(options.web_url)

    def open(self, image, glance):
        url = f'{self._url}/{image.image_id}'
        try:
            return WebReading(image, urllib.request.urlopen(url, timeout=60))
        except OSError as exc:
            code = RefusalCode.NO_LOCATION
            return [Refusal(code, f'{url}: {exc}', 'Put the image there')]

# SPDX-License-Identifier: Apache-2.0
"""Every hostile image is refused before QEMU, in plain words, at no cost."""

import pytest

from cinder_cow import errors
from cinder_cow.conversion import header_check
from cinder_cow.model import ImageInfo
from tests.corpus import hostile
from tests.corpus.content import Content

IMAGES = hostile.images()


@pytest.mark.parametrize('name', IMAGES)
def test_a_hostile_image_is_refused_by_the_first_wall(name):
    disk_format, content = IMAGES[name]
    image = ImageInfo('image-1', 'active', disk_format, 'bare')
    opened = Content(content)
    with pytest.raises(errors.ImageUnacceptable) as caught:
        header_check.require_safe(image, opened)
    assert str(caught.value).isprintable()
    assert 'Upload it anew' in str(caught.value)
    assert opened.read_bytes < 64 * 2**20

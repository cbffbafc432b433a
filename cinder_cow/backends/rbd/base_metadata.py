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
"""What a base tells of itself, in the metadata of its RBD image.

Read it with `rbd image-meta list`.
"""

import dataclasses
import json
from typing import Any

import rbd

from cinder_cow.backends.base_store import Kept
from cinder_cow.model import Story
from cinder_cow.model import Verification

STORY = 'cinder_cow.story'
#: Seconds since the epoch, of the last clone.
LAST_USED = 'cinder_cow.last_used'
#: With a Glance image's id: seconds since the epoch, of its first use.
IMAGE = 'cinder_cow.image.'


def write(image: rbd.Image, story: Story) -> None:
    """All that is known of a base when it is made."""
    image.metadata_set(STORY, _text(story))
    write_use(image, story.image_id, story.created)


def read(image: rbd.Image) -> Story:
    """How the base came to be.

    :raises ValueError: when that does not stand there.
    """
    try:
        return _story(image.metadata_get(STORY))
    except KeyError:
        raise ValueError(f'there is no {STORY}') from None


def write_use(image: rbd.Image, image_id: str, now: float) -> None:
    """The base was cloned for that Glance image."""
    image.metadata_set(LAST_USED, f'{now:.0f}')
    key = IMAGE + image_id
    try:
        image.metadata_get(key)
    except KeyError:
        image.metadata_set(key, f'{now:.0f}')


def kept(name: str, image: rbd.Image) -> Kept:
    """The base as a sweep sees it.

    :raises ValueError: when what stands there makes no sense.
    """
    told = dict(image.metadata_list())
    if STORY not in told:
        raise ValueError(f'there is no {STORY}')
    story = _story(told[STORY])
    image_ids = {
        key.removeprefix(IMAGE) for key in told if key.startswith(IMAGE)
    }
    return Kept(
        name,
        story,
        last_used=float(told.get(LAST_USED, story.created)),
        image_ids=frozenset(image_ids | {story.image_id}),
    )


def _text(story: Story) -> str:
    told = dataclasses.asdict(story)
    return json.dumps({**told, 'verification': story.verification.value})


def _story(text: str) -> Story:
    told: Any = json.loads(text)
    if not isinstance(told, dict):
        raise ValueError(f'{STORY} is no object of JSON')
    # A later version may tell more.
    known = {
        field.name: told[field.name]
        for field in dataclasses.fields(Story)
        if field.name in told
    }
    try:
        known['verification'] = Verification(known['verification'])
        return Story(**known)
    except (KeyError, TypeError) as exc:
        raise ValueError(f'{STORY} is incomplete: {exc}') from None

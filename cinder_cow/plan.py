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

"""From a verdict to what is done. Pure."""

from cinder_cow import verdict as rules
from cinder_cow.errors import ImageTooBig
from cinder_cow.model import Clone
from cinder_cow.model import Delegate
from cinder_cow.model import ImageInfo
from cinder_cow.model import Plan
from cinder_cow.model import Stream
from cinder_cow.model import Target
from cinder_cow.model import Verdict


def choose(image: ImageInfo, target: Target, verdict: Verdict) -> Plan:
    """The cheapest way to the volume that the verdict allows.

    :raises ImageTooBig: when the image is larger than the volume. A clone
        would have to be shrunk to fit, and would lose the image's end.
    """
    if verdict.parent is not None:
        _fits(image, verdict.parent.size_bytes, target)
        return Clone(verdict.parent, target.size_bytes)
    if not rules.is_the_disk(image):
        return Delegate(verdict.refusals)
    _fits(image, image.size_bytes, target)
    return Stream(target.size_bytes, verdict.refusals)


def _fits(image: ImageInfo, image_bytes: int, target: Target) -> None:
    if image_bytes > target.size_bytes:
        raise ImageTooBig(image.image_id, image_bytes, target.size_bytes)

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
"""Where bytes come from. Plugins of the group `cinder_cow.sources`."""

import functools

from cinder_cow import plugins
from cinder_cow.sources.base import ImageSource
from cinder_cow.sources.base import Settings

NAMESPACE = 'cinder_cow.sources'


@functools.lru_cache(maxsize=8)
def load(names: tuple[str, ...], settings: Settings) -> list[ImageSource]:
    """The sources of those entry points, in that order.

    :raises PluginNotLoadable: when there is none of a name, or it is none.
    """
    return [
        plugins.load('cow_sources', NAMESPACE, name, ImageSource, settings)
        for name in names
    ]

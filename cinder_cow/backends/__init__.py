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
"""Where volumes live. Plugins of the stevedore group `cinder_cow.backends`."""

import functools

from cinder_cow import plugins
from cinder_cow.backends.base import ImageBackend
from cinder_cow.backends.base import Settings

NAMESPACE = 'cinder_cow.backends'


@functools.lru_cache(maxsize=8)
def load(name: str, settings: Settings) -> ImageBackend:
    """The backend of that entry point; the same one for equal settings.

    :raises PluginNotLoadable: when there is none of that name, or it is none.
    """
    backend: ImageBackend = plugins.load(
        'cow_backend', NAMESPACE, name, ImageBackend, settings
    )
    return backend

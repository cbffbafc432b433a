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

from stevedore import driver
from stevedore import exception

from cinder_cow import errors
from cinder_cow.backends.base import ImageBackend
from cinder_cow.backends.base import Settings

NAMESPACE = 'cinder_cow.backends'


@functools.lru_cache(maxsize=8)
def load(name: str, settings: Settings) -> ImageBackend:
    """The backend of that entry point; the same one for equal settings.

    :raises BackendNotLoadable: when there is no such entry point, when it
        cannot be imported, or when it is no :class:`ImageBackend`.
    """

    def fail(_manager: object, _entry_point: object, exc: Exception) -> None:
        raise errors.BackendNotLoadable(name, exc) from exc

    try:
        plugin = driver.DriverManager(
            NAMESPACE,
            name,
            on_load_failure_callback=fail,
            invoke_on_load=True,
            invoke_args=(settings,),
        ).driver
    except exception.NoMatches as exc:
        raise errors.BackendNotLoadable(name, exc) from exc
    if not isinstance(plugin, ImageBackend):
        raise errors.BackendNotLoadable(
            name, f'{type(plugin).__name__} is no ImageBackend'
        )
    return plugin

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
"""Plugins by their entry points."""

from typing import Any

from stevedore import driver
from stevedore import exception

from cinder_cow import errors


def load(
    option: str, namespace: str, name: str, kind: type[Any], settings: object
) -> Any:
    """A new plugin of that entry point, made with the settings.

    :param option: the one that names it, for the error.
    :raises PluginNotLoadable: when there is no such entry point, when it
        cannot be imported or made, or when it is no ``kind``.
    """

    def fail(_manager: object, _entry_point: object, exc: Exception) -> None:
        raise errors.PluginNotLoadable(option, namespace, name, exc) from exc

    try:
        plugin = driver.DriverManager(
            namespace,
            name,
            on_load_failure_callback=fail,
            invoke_on_load=True,
            invoke_args=(settings,),
        ).driver
    except exception.NoMatches as exc:
        raise errors.PluginNotLoadable(option, namespace, name, exc) from exc
    if not isinstance(plugin, kind):
        raise errors.PluginNotLoadable(
            option,
            namespace,
            name,
            f'{type(plugin).__name__} is no {kind.__name__}',
        )
    return plugin

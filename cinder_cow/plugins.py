# SPDX-License-Identifier: Apache-2.0
"""Plugins by their entry points."""

from typing import Any

from stevedore import driver, exception

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

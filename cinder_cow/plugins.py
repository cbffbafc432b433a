# SPDX-License-Identifier: Apache-2.0
"""Plugins by their entry points."""

from collections.abc import Iterator
import contextlib
from typing import Any

from stevedore import driver, exception

from cinder_cow import errors


def load(option: str, namespace: str, name: str, kind: type[Any]) -> Any:
    """The plugin's class, of that entry point.

    :param option: the one that names it, for the error.
    :raises PluginNotLoadable: when there is no such entry point, when it
        cannot be imported, or when it is no ``kind``.
    """

    def fail(_manager: object, _entry_point: object, exc: Exception) -> None:
        raise errors.PluginNotLoadable(option, namespace, name, exc) from exc

    try:
        found: Any = driver.DriverManager(
            namespace, name, on_load_failure_callback=fail
        ).driver
    except exception.NoMatches as exc:
        raise errors.PluginNotLoadable(option, namespace, name, exc) from exc
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise errors.PluginNotLoadable(
            option,
            namespace,
            name,
            f'{getattr(found, "__name__", found)} is no {kind.__name__}',
        )
    return found


@contextlib.contextmanager
def naming(option: str, namespace: str, name: str) -> Iterator[None]:
    """What a plugin raises while it is made names the plugin.

    :raises PluginNotLoadable: in place of what it raises.
    """
    try:
        yield
    except errors.CowError:
        raise
    except Exception as exc:
        raise errors.PluginNotLoadable(option, namespace, name, exc) from exc

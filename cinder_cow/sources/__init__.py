# SPDX-License-Identifier: Apache-2.0
"""Sources of images' bytes: plugins of the group `cinder_cow.sources`.

May import backends and what is below them.
"""

from typing import Any

from cinder_cow import plugins
from cinder_cow.sources.base import ImageSource

NAMESPACE = 'cinder_cow.sources'
OPTION = 'cow_sources'


def source_class(name: str) -> type[ImageSource]:
    """The source's class, by the name of its entry point.

    :raises PluginNotLoadable: when there is none of that name.
    """
    found: type[ImageSource] = plugins.load(
        OPTION, NAMESPACE, name, ImageSource
    )
    return found


def from_options(options: Any) -> list[ImageSource]:
    """The sources that `cow_sources` names, in that order.

    :raises PluginNotLoadable: when one of them cannot be made.
    """
    made = []
    for name in options.cow_sources:
        with plugins.naming(OPTION, NAMESPACE, name):
            made.append(source_class(name).from_options(options))
    return made

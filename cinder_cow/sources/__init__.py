# SPDX-License-Identifier: Apache-2.0
"""Where bytes come from. Plugins of the group `cinder_cow.sources`."""

import functools

from cinder_cow import plugins
from cinder_cow.sources.base import ImageSource, SourceSettings

NAMESPACE = 'cinder_cow.sources'


@functools.lru_cache(maxsize=8)
def load(
    names: tuple[str, ...], settings: SourceSettings
) -> list[ImageSource]:
    """The sources of those entry points, in that order.

    :raises PluginNotLoadable: when there is none of a name, or it is none.
    """
    return [
        plugins.load('cow_sources', NAMESPACE, name, ImageSource, settings)
        for name in names
    ]

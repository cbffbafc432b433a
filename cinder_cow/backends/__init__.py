# SPDX-License-Identifier: Apache-2.0
"""Where volumes live. Plugins of the stevedore group `cinder_cow.backends`."""

import functools

from cinder_cow import plugins
from cinder_cow.backends.base import BackendSettings, ImageBackend

NAMESPACE = 'cinder_cow.backends'


@functools.lru_cache(maxsize=8)
def load(name: str, settings: BackendSettings) -> ImageBackend:
    """The backend of that entry point; the same one for equal settings.

    :raises PluginNotLoadable: when there is none of that name, or it is none.
    """
    backend: ImageBackend = plugins.load(
        'cow_backend', NAMESPACE, name, ImageBackend, settings
    )
    return backend

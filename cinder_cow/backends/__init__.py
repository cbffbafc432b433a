# SPDX-License-Identifier: Apache-2.0
"""Where volumes live: the storage contracts, and their Ceph form in rbd/.

Plugins of the stevedore group `cinder_cow.backends`. May import planning and
what is below it.
"""

from typing import Any

from cinder_cow import plugins
from cinder_cow.backends.base import ImageBackend

NAMESPACE = 'cinder_cow.backends'
OPTION = 'cow_backend'


def backend_class(name: str) -> type[ImageBackend]:
    """The backend's class, by the name of its entry point.

    :raises PluginNotLoadable: when there is none of that name.
    """
    found: type[ImageBackend] = plugins.load(
        OPTION, NAMESPACE, name, ImageBackend
    )
    return found


def from_options(options: Any) -> ImageBackend:
    """The backend that `cow_backend` names.

    :raises PluginNotLoadable: when it cannot be made.
    """
    name = options.cow_backend
    with plugins.naming(OPTION, NAMESPACE, name):
        return backend_class(name).from_options(options)

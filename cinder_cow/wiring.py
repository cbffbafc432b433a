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

"""Puts together what works for one backend, from its configuration."""

from typing import Any

from cinder_cow import sources
from cinder_cow.backends import base as backends
from cinder_cow.base_images.builder import Maker
from cinder_cow.base_images.ensure import Bases
from cinder_cow.cinder_adapter import image_info
from cinder_cow.conversion.convert import Converter
from cinder_cow.transfer.copier import Filler
from cinder_cow.transfer.limiter import Turns


def filler(
    configuration: Any, settings: backends.Settings, turns: Turns
) -> Filler:
    """What fills volumes with bytes.

    :raises PluginNotLoadable: when a source is not there.
    """
    return Filler(
        image_info.fill_settings(configuration),
        sources.load(
            tuple(configuration.cow_sources),
            image_info.source_settings(configuration, settings),
        ),
        turns,
    )


def bases(
    configuration: Any, backend: backends.ImageBackend, made_by: Filler
) -> Bases | None:
    """What finds and builds bases; None where the backend keeps none."""
    store = backend.bases()
    if store is None:
        return None
    maker = Maker(
        image_info.build_settings(configuration),
        store,
        made_by,
        Converter(image_info.convert_limits(configuration)),
    )
    return Bases(image_info.base_settings(configuration), store, maker)

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
from cinder_cow.bases import Bases
from cinder_cow.build import Maker
from cinder_cow.convert import Converter
from cinder_cow.fill import Filler
from cinder_cow.host import terms
from cinder_cow.turns import Turns


def filler(
    configuration: Any, settings: backends.Settings, turns: Turns
) -> Filler:
    """What fills volumes with bytes.

    :raises PluginNotLoadable: when a source is not there.
    """
    return Filler(
        terms.fill_settings(configuration),
        sources.load(
            tuple(configuration.cow_sources),
            terms.source_settings(configuration, settings),
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
        terms.build_settings(configuration),
        store,
        made_by,
        Converter(terms.convert_limits(configuration)),
    )
    return Bases(terms.base_settings(configuration), store, maker)

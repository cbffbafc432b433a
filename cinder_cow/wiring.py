# SPDX-License-Identifier: Apache-2.0

"""Puts together what works for one backend, from its configuration."""

from typing import Any

from cinder_cow import sources
from cinder_cow.backends import base as backends
from cinder_cow.base_images.builder import BaseBuilder
from cinder_cow.base_images.ensure import BaseImages
from cinder_cow.cinder_adapter import image_info
from cinder_cow.conversion.convert import Converter
from cinder_cow.transfer.copier import ImageCopier
from cinder_cow.transfer.limiter import CopyLimiter


def image_copier(
    configuration: Any, settings: backends.BackendSettings, turns: CopyLimiter
) -> ImageCopier:
    """What fills volumes with bytes.

    :raises PluginNotLoadable: when a source is not there.
    """
    return ImageCopier(
        image_info.fill_settings(configuration),
        sources.load(
            tuple(configuration.cow_sources),
            image_info.source_settings(configuration, settings),
        ),
        turns,
    )


def bases(
    configuration: Any, backend: backends.ImageBackend, made_by: ImageCopier
) -> BaseImages | None:
    """What finds and builds bases; None where the backend keeps none."""
    store = backend.bases()
    if store is None:
        return None
    base_builder = BaseBuilder(
        image_info.build_settings(configuration),
        store,
        made_by,
        Converter(image_info.convert_limits(configuration)),
    )
    return BaseImages(
        image_info.base_settings(configuration), store, base_builder
    )

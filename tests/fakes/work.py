# SPDX-License-Identifier: Apache-2.0
"""Carries a plan out as the driver does, without Cinder."""

from cinder_cow import execute
from cinder_cow.transfer.copier import CopyRequest, CopySettings, ImageCopier
from cinder_cow.transfer.limiter import CopyLimiter


def nothing(_verified):
    pass


def work(image, target, backend, finish=nothing, sources=(), **settings):
    request = {
        name: settings.pop(name)
        for name in ('verifier', 'report', 'begun', 'glance')
        if name in settings
    }
    bases = settings.pop('bases', None)
    image_copier = ImageCopier(
        CopySettings(**settings), list(sources), CopyLimiter(1)
    )
    return execute.CreateRequest(
        image,
        target,
        backend,
        finish,
        image_copier,
        CopyRequest(**{'glance': None, **request}),
        bases,
    )


def run(plan, *args, **kwargs):
    return execute.run(plan, work(*args, **kwargs))


def overwrite(*args, **kwargs):
    return execute.overwrite(work(*args, **kwargs))

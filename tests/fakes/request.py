# SPDX-License-Identifier: Apache-2.0
"""Carries a plan out as the driver does, without Cinder."""

from cinder_cow import execute
from cinder_cow.transfer.copier import CopyRequest, CopySettings, ImageCopier
from cinder_cow.transfer.limiter import CopyLimiter


def nothing(_verified):
    pass


def asked(image, target, backend, finish=nothing, sources=(), **settings):
    """The request and the parts of one create."""
    copy = {
        name: settings.pop(name)
        for name in (
            'verifier',
            'report',
            'progress_seconds',
            'on_start',
            'glance',
            'cancellation',
        )
        if name in settings
    }
    bases = settings.pop('bases', None)
    image_copier = ImageCopier(
        CopySettings(**settings), list(sources), CopyLimiter(1)
    )
    return (
        execute.CreateRequest(
            image, target, CopyRequest(**{'glance': None, **copy}), finish
        ),
        execute.Parts(backend, image_copier, bases),
    )


def run(plan, *args, **kwargs):
    return execute.run(plan, *asked(*args, **kwargs))


def overwrite(*args, **kwargs):
    return execute.overwrite(*asked(*args, **kwargs))

# SPDX-License-Identifier: Apache-2.0
"""Carries a plan out as the driver does, without Cinder."""

from cinder_cow import execute
from cinder_cow import overwrite as overwriting
from cinder_cow.planning.decide import decide_overwrite
from cinder_cow.transfer.copier import ImageCopier
from cinder_cow.transfer.limiter import CopyLimiter
from cinder_cow.transfer.model import CopyRequest, CopySettings


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
    request, parts = asked(*args, **kwargs)
    plan = decide_overwrite(request.image, request.target, parts.base_images)
    return overwriting.run(plan, request, parts)

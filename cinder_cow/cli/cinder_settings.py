# SPDX-License-Identifier: Apache-2.0
"""Options of Cinder's own that stand in the way of volumes from images."""

from collections.abc import Iterator
from typing import Any

from cinder_cow.backends.base import CheckResult

#: Of Cinder, for tests: it holds one key and no certificates.
CONF_KEY_MANAGER = 'ConfKeyManager'


def checks(options: Any) -> Iterator[CheckResult]:
    """An answer for each.

    :param options: of a backend, and `key_manager`: what keeps certificates,
        empty where nothing is configured.
    """
    yield _signatures(options)
    yield _conversion(options)
    yield _cache(options)


def _signatures(options: Any) -> CheckResult:
    question = 'Can signatures of images be verified'
    if options.verify_glance_signatures == 'disabled':
        answer = 'they are not looked at: verify_glance_signatures = disabled'
        return CheckResult(question, True, answer)
    manager = options.key_manager
    if manager and not manager.endswith(CONF_KEY_MANAGER):
        return CheckResult(question, True, f'yes, by {manager}')
    return CheckResult(
        question,
        False,
        'no, no key manager is configured: volumes of images that are signed'
        ' fail, those of others do not',
        'Set backend = barbican in [key_manager], with a [barbican] section;'
        ' or set verify_glance_signatures = disabled in [DEFAULT]',
        minor=True,
    )


def _conversion(options: Any) -> CheckResult:
    question = 'May images be converted'
    if not options.image_conversion_disable:
        return CheckResult(question, True, 'yes')
    return CheckResult(
        question,
        False,
        'no, image_conversion_disable is set: only raw images have volumes,'
        ' those of qcow2, vmdk and the like fail',
        'Set image_conversion_disable = False in [DEFAULT]',
        minor=True,
    )


def _cache(options: Any) -> CheckResult:
    question = "Is Cinder's own cache of image volumes off"
    if not options.image_volume_cache_enabled:
        return CheckResult(question, True, 'yes')
    return CheckResult(
        question,
        False,
        'no: it keeps volumes that no other is made of here, and a deleted'
        ' entry leaves its snapshots in the pool',
        "Set image_volume_cache_enabled = False in the backend's section",
        minor=True,
    )

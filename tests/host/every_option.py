# SPDX-License-Identifier: Apache-2.0
"""Every option with a value that is not its default, and who gets it."""

SECTION = 'every'


def _copies(parts):
    return parts.image_copier._settings


def _pace(parts):
    return _copies(parts).pace_limits


def _builder(parts):
    return parts.base_images._base_builder


def _builds(parts):
    return _builder(parts)._settings


def _converter(parts):
    return _builder(parts)._converter


def _storage(parts):
    return parts.backend.settings


def _glance(parts):
    return parts.image_copier._sources[0]._settings


def _remote(parts):
    own, far = parts.image_copier._sources[1]._clusters
    assert own == _storage(parts)
    return far


#: Option: its text in cinder.conf, its value, and what each part got of it.
#: What is not here has its own test: `cow_backend` in test_plugins.py,
#: `cow_base_sweep_seconds` in test_periodic_sweep.py, `cow_metrics_address` in
#: test_metrics_server.py, `cow_volume_metadata` in test_volume_origin.py, and
#: those of warming in test_periodic_warm.py.
TABLE = {
    'cow_image_pools': (
        'images, gold',
        [(('images', 'gold'), lambda parts: _storage(parts).image_pools)],
    ),
    'cow_strict_locations': (
        'False',
        [
            (False, lambda parts: _storage(parts).strict_locations),
            (False, lambda parts: parts.base_images.settings.strict_locations),
        ],
    ),
    'cow_sources': (
        'glance, rbd',
        [
            (
                ['GlanceSource', 'RbdSource'],
                lambda parts: [
                    type(each).__name__ for each in parts.image_copier._sources
                ],
            )
        ],
    ),
    'cow_remote_clusters': (
        '/etc/ceph/far.conf:reader',
        [
            ('/etc/ceph/far.conf', lambda parts: _remote(parts).conf_path),
            ('reader', lambda parts: _remote(parts).user),
        ],
    ),
    'cow_glance_stores': (
        'fast, slow',
        [(('fast', 'slow'), lambda parts: _glance(parts).stores)],
    ),
    'cow_copy_memory_bytes': (
        '2097152',
        [(2**21, lambda parts: _copies(parts).memory_bytes)],
    ),
    'cow_max_copies': (
        '3',
        [(3, lambda parts: parts.image_copier._limiter._limit)],
    ),
    'cow_max_waiting_copies': (
        '5',
        [(5, lambda parts: parts.image_copier._limiter._max_waiting)],
    ),
    'cow_copy_seconds': (
        '61',
        [(61, lambda parts: _pace(parts).copy_seconds)],
    ),
    'cow_min_copy_bytes_per_second': (
        '77',
        [(77, lambda parts: _pace(parts).min_bytes_per_second)],
    ),
    'cow_copy_retries': ('4', [(4, lambda parts: _copies(parts).retries)]),
    'cow_stall_seconds': (
        '9',
        [
            (9, lambda parts: _pace(parts).stall_seconds),
            (9, lambda parts: _builds(parts).stall_seconds),
            (9, lambda parts: _glance(parts).stall_seconds),
            (9, lambda parts: _remote(parts).timeout_seconds),
        ],
    ),
    'cow_base_images': (
        'always',
        [('always', lambda parts: parts.base_images.rule.value)],
    ),
    'cow_base_auto_bytes': (
        '12345',
        [(12345, lambda parts: parts.base_images.auto_bytes)],
    ),
    'cow_base_pool': (
        'bases',
        [
            ('bases', lambda parts: _storage(parts).base_pool),
            ('bases', lambda parts: parts.base_images.store._images.pool),
        ],
    ),
    'cow_base_max_bytes': (
        '1000000',
        [(10**6, lambda parts: _builds(parts).limits.max_bytes)],
    ),
    'cow_base_max_share': (
        '0.125',
        [(0.125, lambda parts: _builds(parts).limits.max_share)],
    ),
    'cow_base_max_count': (
        '7',
        [(7, lambda parts: _builds(parts).limits.max_count)],
    ),
    'cow_base_max_share_per_project': (
        '0.25',
        [(0.25, lambda parts: _builds(parts).limits.max_share_per_project)],
    ),
    'cow_base_max_idle_seconds': (
        '88',
        [(88, lambda parts: _builds(parts).limits.max_idle_seconds)],
    ),
    'cow_base_once_idle_seconds': (
        '66',
        [(66, lambda parts: _builds(parts).limits.once_idle_seconds)],
    ),
    'cow_convert_seconds': (
        '99',
        [
            (99, lambda parts: _builds(parts).conversion.seconds),
            (99, lambda parts: _builds(parts).conversion.cpu_seconds),
            (99, lambda parts: _converter(parts)._limits.seconds),
            (99, lambda parts: _converter(parts)._limits.cpu_seconds),
        ],
    ),
    'cow_convert_memory_bytes': (
        '2147483648',
        [
            (
                2**31,
                lambda parts: _builds(parts).conversion.address_space_bytes,
            ),
            (
                2**31,
                lambda parts: _converter(parts)._limits.address_space_bytes,
            ),
        ],
    ),
    'cow_require_confinement': (
        'True',
        [(True, lambda parts: _converter(parts)._trust.confinement.required)],
    ),
    'cow_require_hash': (
        'True',
        [
            (True, lambda parts: _copies(parts).require_hash),
            (True, lambda parts: _builds(parts).require_hash),
            (True, lambda parts: parts.base_images.settings.require_hash),
        ],
    ),
}


def section():
    """The section of cinder.conf that sets them all."""
    options = {
        'volume_driver': 'cinder_cow.driver.CowRBDDriver',
        'rbd_pool': 'volumes',
        'rbd_user': 'cinder',
        **{name: text for name, (text, _parts) in TABLE.items()},
    }
    lines = [f'{name} = {text}' for name, text in options.items()]
    return '\n'.join((f'[{SECTION}]', *lines, ''))

# SPDX-License-Identifier: Apache-2.0
"""The one INFO line of a volume: what was done for it, and why.

Its fields are stable: they are documented in doc/source/log.rst, and tools
read them. A change of their meaning raises VERSION; new fields are added
before ``why``, which is last.
"""

from cinder_cow.model import Result

PREFIX = 'volume from image: '
VERSION = 1


def format_result(result: Result) -> str:
    """The line, without what the log puts before it."""
    parent = result.parent
    fields = {
        'v': VERSION,
        'volume': result.volume_id,
        'image': result.image_id,
        'method': result.method.value,
        'reason': result.reason,
        'pool': parent.pool if parent else '-',
        'parent': parent or '-',
        'seconds': f'{result.seconds:.3f}',
        'bytes': result.bytes_copied,
        'source': result.source or '-',
        'verification': result.verification.value,
    }
    why = '; '.join(map(str, result.refusals)).replace('"', "'")
    line = ' '.join(f'{name}={value}' for name, value in fields.items())
    return f'{PREFIX}{line}' + (f' why="{why}"' if why else '')

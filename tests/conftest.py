# SPDX-License-Identifier: Apache-2.0
import pathlib
import signal

import pytest

HERE = pathlib.Path(__file__).parent
#: Cinder's import changes threads and logging for the whole process.
HOST = 'host'


def pytest_collection_modifyitems(items):
    kinds = {item.path.relative_to(HERE).parts[0] for item in items}
    if HOST in kinds and len(kinds) > 1:
        raise pytest.UsageError(
            'tests/host runs in a process of its own, since Cinder changes'
            f' all of it: not with {", ".join(sorted(kinds - {HOST}))}.'
            ' tools/test.sh runs one kind after the other.'
        )


@pytest.fixture
def interruptible():
    """SIGINT raises KeyboardInterrupt, as in a program of a terminal.

    The background jobs of a shell that is not interactive begin with it
    ignored, and so do all that they start.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)

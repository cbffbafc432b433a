# SPDX-License-Identifier: Apache-2.0
"""The errors of the engine itself.

::

    CopyError
      Truncated   the source ended too early
      Excess      the source goes on where it should have ended
      Cancelled   the copy was cancelled, without an error of its own

An error of the source, the sink, a digest or the inspector reaches the caller
as it was raised.
"""


class CopyError(Exception):
    """Base of the engine's own errors."""


class Truncated(CopyError):
    """The source ended too early."""

    def __init__(self, expected_bytes: int, got_bytes: int) -> None:
        self.expected_bytes = expected_bytes
        self.got_bytes = got_bytes
        super().__init__(
            f'The source ended after {got_bytes} of {expected_bytes} bytes'
        )


class Excess(CopyError):
    """The source goes on where it should have ended.

    What is too much was not written.
    """

    def __init__(self, expected_bytes: int) -> None:
        self.expected_bytes = expected_bytes
        super().__init__(
            f'The source holds more than the expected {expected_bytes} bytes'
        )


class Cancelled(CopyError):
    """The copy was cancelled, without an error of its own."""

    def __init__(self) -> None:
        super().__init__('The copy was cancelled')

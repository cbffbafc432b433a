# SPDX-License-Identifier: Apache-2.0
"""What a copy can fail of, beside what its source and its sink raise.

::

    CopyError
      Truncated   the source ended too early
      Excess      the source goes on where it should have ended
      Cancelled   somebody asked for the end

An error of the source, of the sink, of a digest or of the inspector reaches
the caller as it was raised.
"""


class CopyError(Exception):
    """Base of what the engine itself raises."""


class Truncated(CopyError):
    """The source ended too early."""

    def __init__(self, expected_bytes: int, got_bytes: int) -> None:
        self.expected_bytes = expected_bytes
        self.got_bytes = got_bytes
        super().__init__(
            f'The source ended after {got_bytes} of {expected_bytes} bytes'
        )


class Excess(CopyError):
    """The source goes on where it should have ended. Nothing of that part
    was written.
    """

    def __init__(self, expected_bytes: int) -> None:
        self.expected_bytes = expected_bytes
        super().__init__(
            f'The source holds more than the expected {expected_bytes} bytes'
        )


class Cancelled(CopyError):
    """Somebody asked for the end of the copy."""

    def __init__(self) -> None:
        super().__init__('The copy was cancelled')

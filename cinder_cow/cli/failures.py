# SPDX-License-Identifier: Apache-2.0
"""What a command cannot do."""

from cinder_cow import errors


class CommandFailed(errors.CowError):
    """The command was not given what it needs, or must not do it."""

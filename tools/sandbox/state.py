# SPDX-License-Identifier: Apache-2.0

"""What a folder tells of the sandbox in it."""

import json
import pathlib
from typing import Any

from sandbox import errors

NAME = 'state.json'


def is_there(folder: pathlib.Path) -> bool:
    """Whether a sandbox is in the folder."""
    return (folder / NAME).exists()


def write(folder: pathlib.Path, state: dict[str, Any]) -> None:
    """From now on there is one."""
    with open(folder / NAME, 'x') as file:
        json.dump(state, file)


def read(folder: pathlib.Path) -> Any:
    """What was written.

    :raises SandboxError: if there is no sandbox in the folder.
    """
    if not is_there(folder):
        raise errors.SandboxError(
            f'there is no sandbox in {folder}; start one by '
            f'"tools/sandbox.sh up --folder {folder}"'
        )
    return json.loads((folder / NAME).read_text())


def require_free(folder: pathlib.Path) -> None:
    """:raises SandboxError: where something is in the folder."""
    if is_there(folder):
        raise errors.SandboxError(
            f'a sandbox is in {folder} already; use it, or end it by '
            f'"tools/sandbox.sh down --folder {folder}"'
        )
    if folder.exists() and any(folder.iterdir()):
        raise errors.SandboxError(
            f'{folder} holds something else; name an empty or new folder'
        )

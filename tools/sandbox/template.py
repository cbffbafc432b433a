# SPDX-License-Identifier: Apache-2.0

"""Configuration files from templates."""

import pathlib
import string

_FOLDER = pathlib.Path(__file__).parent / 'templates'


def write(
    target: pathlib.Path, template: str = '', **values: object
) -> pathlib.Path:
    """Fill in a template, by default the one named like the target.

    :raises KeyError: if the template names a value that is not given.
    """
    text = (_FOLDER / (template or target.name)).read_text()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(string.Template(text).substitute(values))
    target.chmod(0o600)
    return target

# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

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

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

"""Memcached, which keeps Keystone's tokens."""

import os

from sandbox import ports
from sandbox import process

NAME = 'memcached'


def start(processes: process.Processes, port: int) -> None:
    """Return when it takes connections."""
    as_user = ['-u', 'root'] if os.geteuid() == 0 else []
    processes.start(
        NAME,
        ['memcached', *as_user, '-l', '127.0.0.1', '-U', '0', '-p', str(port)],
    )
    processes.wait(NAME, lambda: ports.answers(port))

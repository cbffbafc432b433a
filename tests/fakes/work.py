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
"""Carries a plan out as the driver does, without Cinder."""

from cinder_cow import execute
from cinder_cow.transfer.copier import Filler
from cinder_cow.transfer.copier import Request
from cinder_cow.transfer.copier import Settings
from cinder_cow.transfer.limiter import Turns


def nothing(_verified):
    pass


def work(image, target, backend, finish=nothing, sources=(), **settings):
    request = {
        name: settings.pop(name)
        for name in ('verifier', 'report', 'begun', 'glance')
        if name in settings
    }
    bases = settings.pop('bases', None)
    filler = Filler(Settings(**settings), list(sources), Turns(1))
    return execute.Work(
        image,
        target,
        backend,
        finish,
        filler,
        Request(**{'glance': None, **request}),
        bases,
    )


def run(plan, *args, **kwargs):
    return execute.run(plan, work(*args, **kwargs))


def overwrite(*args, **kwargs):
    return execute.overwrite(work(*args, **kwargs))

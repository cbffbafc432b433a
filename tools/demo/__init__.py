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
"""The main job, shown: volumes of a real image, by our driver and upstream's.

``__main__`` is the order of events, ``cases`` what is measured, ``image``
the disk image, ``space``, ``watch`` and ``side_by_side`` measurements of their
own, ``report`` the table and the JSON file, ``judgement`` what is promised.
"""

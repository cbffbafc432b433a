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
"""What this driver costs, against upstream's and against the limit.

``keys`` says what is measured and what is aimed at; ``statistics`` and
``report`` are pure. Each group of keys has a file: ``clones``, ``bursts``,
``streams``, ``conversions``, ``resources``, ``scale``. What has to run in a
process of its own is a program: ``in_drivers``, ``copies``, ``crowd``.
"""

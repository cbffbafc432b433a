# SPDX-License-Identifier: Apache-2.0
"""What this driver costs, against upstream's and against the limit.

``keys`` says what is measured and what is aimed at; ``statistics`` and
``report`` are pure. Each group of keys has a file: ``clones``, ``bursts``,
``streams``, ``conversions``, ``resources``, ``scale``. What has to run in a
process of its own is a program: ``in_drivers``, ``copies``, ``many_clones``.
"""

# SPDX-License-Identifier: Apache-2.0
"""The life of a base image, from its build to its eviction.

May import transfer, conversion and what is below them.
"""

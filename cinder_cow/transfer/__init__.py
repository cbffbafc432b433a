# SPDX-License-Identifier: Apache-2.0
"""One image into one volume: verified, retried, limited.

May import conversion, sources and what is below them.
"""

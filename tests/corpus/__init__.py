# SPDX-License-Identifier: Apache-2.0
"""Hostile images, made by code: what each is, and what it is to be."""

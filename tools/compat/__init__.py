# SPDX-License-Identifier: Apache-2.0
"""The package on every release of Cinder that is claimed."""

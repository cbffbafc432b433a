# SPDX-License-Identifier: Apache-2.0
"""A picture of the Grafana dashboard, with live data and without Grafana."""

# SPDX-License-Identifier: Apache-2.0
"""What the dashboard and the alerts ask for is what the code has."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[3]
SOURCES = '\n'.join(
    path.read_text() for path in sorted((ROOT / 'cinder_cow').rglob('*.py'))
)
#: What Prometheus' client puts behind the name that the code gives.
SUFFIX = re.compile(r'_(total|bucket|sum|count)$')
#: What the code puts before a name that stands there by itself.
PREFIX = re.compile(r'^cinder_cow_(pool_)?')
FILES = ('doc/dashboards/cinder-cow.json', 'doc/alerts/cinder-cow.rules.yml')


def metrics(name):
    text = (ROOT / name).read_text()
    return sorted(set(re.findall(r'\bcinder_cow_[a-z_]+\b', text)))


@pytest.mark.parametrize('name', FILES)
def test_every_metric_that_is_asked_for_exists(name):
    assert metrics(name)
    for metric in metrics(name):
        given = SUFFIX.sub('', metric)
        names = (given, PREFIX.sub('', given))
        assert any(f"'{each}'" in SOURCES for each in names), metric

# SPDX-License-Identifier: Apache-2.0
"""Cinder's own tests of its RBD driver, with our class in its place."""

import json
import subprocess
import sys

import pytest

#: It changes its whole process: it is not imported here.
PROGRAM = 'tests.host.upstreams_tests'
#: Those that have to fail, since they look at the calls of upstream's
#: clone_image, which ours replaces; and what ours meets there.
REPLACED = {
    'ManagedRBDTestCase.test_clone_success': 'a volume that is a dict',
    'ManagedRBDTestCase.test_clone_failure': 'an image without an id',
    'ManagedRBDTestCase.test_clone_multilocation_success': (
        'an image that is a bare object'
    ),
    'ManagedRBDTestCase.test_clone_multilocation_failure': (
        'an image that is a bare object'
    ),
    'RBDTestCase.test_clone_image_replication_1': 'no cluster to ask',
    'RBDTestCase.test_clone_image_replication_2': 'no cluster to ask',
}
SECONDS = 200


def run(whose, *names):
    """What Cinder's tests came to, in a process of their own."""
    ended = subprocess.run(
        [sys.executable, '-m', PROGRAM, whose, *names],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return json.loads(ended.stdout)


@pytest.fixture(scope='module')
def outcomes():
    """Of each of Cinder's tests, with our class."""
    return run('ours')


def failed(outcomes):
    return {
        name: outcome
        for name, outcome in outcomes.items()
        if outcome not in ('passed', 'skipped')
    }


def test_only_what_ours_replaces_fails(outcomes):
    others = {
        name: outcome
        for name, outcome in failed(outcomes).items()
        if name not in REPLACED
    }
    # In the environment of an old release some fail with upstream's own class.
    of_both = failed(run('upstream', *others)) if others else {}

    assert len(outcomes) > 150
    assert others.keys() - of_both.keys() == set(), others


def test_each_that_is_named_does_fail(outcomes):
    """Else its reason is none any more, and its name is to go."""
    assert REPLACED.keys() <= failed(outcomes).keys()

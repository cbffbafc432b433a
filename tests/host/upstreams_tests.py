# SPDX-License-Identifier: Apache-2.0
"""Runs Cinder's own tests of its RBD driver: a program.

    python -m tests.host.upstreams_tests ours|upstream [NAME]...

By default all of them. It writes a JSON object: what each came to.
"""

import json
import sys
import unittest

# First: it chooses the concurrency mode.
import cinder.tests.unit  # noqa: F401  isort: skip
from cinder.tests.unit.volume.drivers import test_rbd
from cinder.volume.drivers import rbd

from cinder_cow import opts
from cinder_cow.driver import CowRBDDriver


class Outcomes(unittest.TestResult):
    """`passed`, `skipped`, or the end of the traceback, of each test."""

    def __init__(self):
        super().__init__()
        self.found = {}

    def addSuccess(self, test):  # noqa: N802
        self.found.setdefault(_name(test), 'passed')

    def addSkip(self, test, reason):  # noqa: N802
        self.found[_name(test)] = 'skipped'

    def addFailure(self, test, err):  # noqa: N802
        self.found[_name(test)] = str(err[1])[-500:]

    addError = addFailure  # noqa: N815


def _name(test):
    return test.id().removeprefix(f'{test_rbd.__name__}.')


def put_ours_in_its_place():
    """Who makes an RBDDriver gets one of ours, which is one as well."""
    rbd.RBDDriver.__new__ = lambda _cls, *_args, **_more: object.__new__(
        CowRBDDriver
    )
    theirs = test_rbd.RBDTestCase._make_configuration

    def with_our_options(conf_in=None):
        ours = {each.dest: each.default for each in opts.OPTS}
        return theirs(ours | (conf_in or {}))

    test_rbd.RBDTestCase._make_configuration = staticmethod(with_our_options)


def main(whose, *names):
    if whose == 'ours':
        put_ours_in_its_place()
    loader = unittest.TestLoader()
    if names:
        tests = loader.loadTestsFromNames(names, test_rbd)
    else:
        tests = loader.loadTestsFromModule(test_rbd)
    outcomes = Outcomes()
    tests.run(outcomes)
    json.dump(outcomes.found, sys.stdout)


if __name__ == '__main__':
    main(*sys.argv[1:])

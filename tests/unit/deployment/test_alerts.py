# SPDX-License-Identifier: Apache-2.0
"""The alert rules, by Prometheus' own tool."""

import pathlib
import subprocess

import yaml

ROOT = pathlib.Path(__file__).parents[3]
RULES = ROOT / 'doc' / 'alerts' / 'cinder-cow.rules.yml'
TESTS = pathlib.Path(__file__).with_name('alerts.test.yml')


def promtool(*arguments):
    done = subprocess.run(
        ['promtool', *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts():
    (group,) = yaml.safe_load(RULES.read_text())['groups']
    return [each for each in group['rules'] if 'alert' in each]


def test_rules_are_well_formed():
    assert ' rules found' in promtool('check', 'rules', str(RULES))


def test_alerts_fire_when_they_should_and_only_then():
    assert 'SUCCESS' in promtool('test', 'rules', str(TESTS))


def test_each_alert_is_seen_to_fire():
    fired = {
        case['alertname']
        for test in yaml.safe_load(TESTS.read_text())['tests']
        for case in test['alert_rule_test']
        if case.get('exp_alerts')
    }

    assert fired == {each['alert'] for each in alerts()}


def test_each_alert_says_what_to_do():
    for each in alerts():
        assert each['annotations']['summary'], each['alert']
        assert len(each['annotations']['description']) > 40, each['alert']
        assert each['labels']['severity'] in ('info', 'warning')

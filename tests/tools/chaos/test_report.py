# SPDX-License-Identifier: Apache-2.0
"""What a run of chaos says in the end."""

import dataclasses
import io
import json

from rich import console

from chaos import growth
from chaos.api_calls import DONE
from chaos.final_checks import Entities
from chaos.growth import Figures
from chaos.history import History
from chaos.report import Report
from chaos.service_log import ServiceLog
from chaos.single_faults import Row
from chaos.timeline import Timeline

BEFORE = Figures(3, 70, 60, 2**20)


def report(**changes):
    known = Report(
        7,
        2.0,
        'eventlet',
        'plain',
        1,
        History(),
        Timeline(),
        BEFORE,
        BEFORE,
        (),
    )
    return dataclasses.replace(known, **changes)


def test_what_was_done_and_injected_is_shown():
    shown = report(rows=[Row('OSD paused', DONE, '', 12.5, 3.25)])
    shown.history.count('create', DONE, 4.2)
    with shown.timeline.during('OSD full', frozenset({'storage full'})):
        shown.history.explained('OSD full', 'storage full')
    screen = console.Console(file=io.StringIO(), width=120)

    shown.show(screen)

    text = screen.file.getvalue()
    for words in ('create', '4.2', 'OSD full', 'storage full 1', '12.5'):
        assert words in text
    assert (
        'seed 7, 2 minutes, eventlet, pool plain, hosts 1: 0 violations'
        in text
    )


def test_result_is_json(tmp_path):
    written = report()
    written.history.count('create', DONE, 4.2)
    written.history.violated('one')

    written.write(tmp_path / 'chaos.json')

    found = json.loads((tmp_path / 'chaos.json').read_text())
    assert found['operations']['create']['done'] == 1
    assert found['violations'] == ['one']


def test_growth_beyond_what_is_allowed_is_a_violation():
    threads = BEFORE.threads + growth.ALLOWED.threads
    at_limit = report(after=dataclasses.replace(BEFORE, threads=threads))
    beyond = report(after=dataclasses.replace(BEFORE, threads=threads + 1))

    at_limit.judge_growth()
    beyond.judge_growth()

    assert at_limit.history.violations == []
    (violation,) = beyond.history.violations
    assert f'{growth.ALLOWED.threads + 1} threads' in violation


class Api:
    """Of entities: one request to delete one that is at rest succeeds."""

    def __init__(self, **statuses):
        self.statuses = statuses

    def present(self):
        return [Entity(*each) for each in self.statuses.items()]

    def delete(self, path):
        del self.statuses[path.rpartition('/')[2]]

    def post(self, path, json):
        entity = path.split('/')[2]
        self.statuses[entity] = json['os-reset_status']['status']


@dataclasses.dataclass
class Entity:
    id: str
    status: str


def test_all_is_deleted_and_what_nobody_works_at_too(monkeypatch):
    monkeypatch.setattr('chaos.final_checks.PAUSE_SECONDS', 0)
    api = Api(whole='available', lost='creating', failed='error_deleting')

    left = Entities(api, 'volumes', api.present).delete_all({'lost'})

    assert left == []


def test_what_stays_is_named(monkeypatch):
    monkeypatch.setattr('chaos.final_checks.PAUSE_SECONDS', 0)
    monkeypatch.setattr('chaos.final_checks.DELETE_SECONDS', 0.05)
    api = Api(hanging='creating')

    left = Entities(api, 'volumes', api.present).delete_all(set())

    assert left == [('hanging', 'creating')]


def test_log_of_a_volume_has_the_errors_of_its_requests(tmp_path):
    path = tmp_path / 'log'
    path.write_text('')
    log = ServiceLog([path])
    request = f'req-{"a" * 8}-{"b" * 4}-{"c" * 4}-{"d" * 4}-{"e" * 12}'
    other = request.replace('a', 'f')
    path.write_text(
        f'D T 7 INFO cinder [None {request}] volume-1 is made\n'
        f'D T 7 ERROR cinder [None {request}] it failed\n'
        f'D T 8 ERROR cinder [None {other}] another failed\n'
    )

    assert [line[-9:] for line in log.about('volume-1')] == ['it failed']
    assert log.pids('volume-1') == {7}

# SPDX-License-Identifier: Apache-2.0
"""Asks the cloud for something, sees how it ends, and whether it may."""

from collections.abc import Callable
from dataclasses import dataclass
import subprocess
import time
from typing import Any

from keystoneauth1 import exceptions as keystone
from openstack import exceptions as openstack
import rados
import rbd
import requests

from chaos import causes
from chaos.contents import Content
from chaos.history import Volume
from chaos.pool import POOLS
from chaos.service_log import ServiceLog
from chaos.testbed import Testbed
from sandbox.cloud import BUSY, Cloud

#: Outcomes. LOST: the message never reached cinder-volume.
DONE, FAILED, REFUSED, LOST = 'done', 'failed', 'refused', 'lost'
#: What this driver does, and says why it failed.
CREATE, REIMAGE = 'create', 'reimage'
OURS = (CREATE, REIMAGE)
#: There is no volume to do it to.
NOTHING = 'nothing'
GONE = 'gone'
#: In which everything must have ended, faults included: they take 40 s, a
#: silent source 30 s and twice that, a killed client is remembered for 30 s.
END_SECONDS = 240.0
#: In which a message has arrived, if it ever does: a service that is killed
#: is up again by then, and one that is paused goes on.
LOST_SECONDS = 100.0
PAUSE_SECONDS = 0.25
UNSETTLED = (*BUSY, 'extending', 'retyping', 'reimaging')
API_ERRORS = (
    openstack.SDKException,
    keystone.ClientException,
    requests.RequestException,
)


@dataclass(frozen=True, slots=True)
class Begin:
    """When something was asked for: what was logged before is of others."""

    #: In seconds of the monotonic clock.
    at: float
    log: ServiceLog


class ApiCalls:
    """Safe in many threads."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed

    def make(self, volume: Volume, **origin: str) -> str:
        """A volume, and whether it is what it should be."""
        began = self._begin()
        operation = CREATE if 'image_id' in origin else 'clone'
        try:
            volume.volume_id = str(
                self._volumes(volume)
                .create_volume(
                    size=volume.size_gib, volume_type=volume.backend, **origin
                )
                .id
            )
        except API_ERRORS as exc:
            return self._refused(operation, '', exc, began)
        if 'image_id' in origin:
            self._testbed.history.of_images.add(volume.volume_id)
        with self._testbed.history.made(volume):
            status = self._settled(volume, began)
            if status == 'available':
                return self.check(volume)
            volume.content = None
            return self._failed(operation, volume, status, began)

    def delete(self, volume: Volume) -> str:
        """What became of it; it is out of the history when it is gone."""
        began = self._begin()
        try:
            self._volumes(volume).delete_volume(volume.volume_id)
        except API_ERRORS as exc:
            return self._refused('delete', volume.volume_id, exc, began)
        status = self._settled(volume, began)
        if status == GONE:
            self._testbed.history.gone(volume)
            return DONE
        return self._failed('delete', volume, status, began)

    def snapshot(self, volume: Volume) -> str:
        """One more."""
        began = self._begin()
        assert volume.content is not None
        try:
            made = self._volumes(volume).create_snapshot(
                volume_id=volume.volume_id
            )
        except API_ERRORS as exc:
            return self._refused('snapshot', volume.volume_id, exc, began)
        volume.snapshots[made.id] = volume.content
        status = self._settled(volume, began, made.id)
        if status == 'available':
            return DONE
        return self._failed('snapshot', volume, status, began, made.id)

    def delete_snapshot(self, volume: Volume, snapshot: str) -> str:
        """One less."""
        began = self._begin()
        try:
            self._volumes(volume).delete_snapshot(snapshot)
        except API_ERRORS as exc:
            return self._refused('delete snapshot', snapshot, exc, began)
        status = self._settled(volume, began, snapshot)
        if status == GONE:
            del volume.snapshots[snapshot]
            return DONE
        return self._failed('snapshot', volume, status, began, snapshot)

    def act(
        self,
        volume: Volume,
        action: str,
        body: dict[str, Any],
        operation: str,
        version: str = '3.60',
    ) -> str:
        """An action of the API that takes a while."""
        began = self._begin()
        try:
            answer = self._volumes(volume).post(
                f'/volumes/{volume.volume_id}/action',
                json={action: body},
                microversion=version,
            )
            openstack.raise_from_response(answer)
        except API_ERRORS as exc:
            return self._refused(operation, volume.volume_id, exc, began)
        status = self._settled(volume, began)
        if status == 'available':
            return DONE
        return self._failed(operation, volume, status, began)

    def backend(self, volume: Volume) -> str:
        """The one that has it by now."""
        deadline = time.monotonic() + END_SECONDS
        while True:
            try:
                found = self._testbed.clouds['admin'].volume(volume.volume_id)
                return str(found.host).partition('@')[2].partition('#')[0]
            except API_ERRORS:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def check(self, volume: Volume) -> str:
        """Whether it and its snapshots hold what they should."""
        pool = self._testbed.pools[volume.backend]
        wanted: dict[str | None, Content | None] = {None: volume.content}
        wanted.update(volume.snapshots)
        for snapshot, content in wanted.items():
            if content is None:
                continue
            try:
                wrong = pool.wrong(volume.volume_id, content, snapshot)
            except (rbd.Error, rados.Error) as exc:
                wrong = f'it cannot be read: {exc}'
            if wrong is not None:
                self._testbed.history.violated(
                    f'{POOLS[volume.backend]}/volume-{volume.volume_id}'
                    f'{f" snapshot {snapshot}" if snapshot else ""}'
                    f' of {content.name}: {wrong}'
                )
                volume.content = None
                return FAILED
        return DONE

    def command(self, *words: str) -> str:
        """A command of an operator's, which another may hinder."""
        began = self._begin()
        try:
            ended = self._testbed.command(*words)
        except subprocess.TimeoutExpired as exc:
            return self._refused(' '.join(words), '', exc, began)
        if ended.returncode == 0 or 'Another process' in ended.stderr:
            return DONE
        if 'another process is' in ended.stderr or 'no base' in ended.stderr:
            return DONE
        return self._refused(' '.join(words), '', ended.stderr, began)

    def _volumes(self, volume: Volume) -> Any:
        return self._testbed.clouds[volume.project].connection.block_storage

    def _begin(self) -> Begin:
        return Begin(time.monotonic(), self._testbed.log.here())

    def _settled(
        self, volume: Volume, began: Begin, snapshot: str = ''
    ) -> str:
        """The status in the end; an unsettled one when it lasts too long."""
        cloud = self._testbed.clouds[volume.project]
        subject = snapshot or volume.volume_id
        return settled(
            _look(cloud, volume.volume_id, snapshot),
            lambda: self._is_lost(subject, began),
        )

    def _is_lost(self, subject: str, began: Begin) -> bool:
        """Nobody works at it: no process that lives has written of it."""
        events = self._testbed.timeline.since(began.at)
        may_be_lost = any(event.causes & causes.LOSING for event in events)
        alive = set(self._testbed.volume_pids())
        return may_be_lost and not alive & began.log.pids(subject)

    def _failed(
        self,
        operation: str,
        volume: Volume,
        status: str,
        began: Begin,
        snapshot: str = '',
    ) -> str:
        subject = snapshot or volume.volume_id
        if snapshot:
            volume.snapshots.pop(snapshot, None)
        if status in UNSETTLED:
            return self._not_ended(operation, volume, subject, status, began)
        text = self._told(volume, subject)
        self._explain(
            f'{operation} of {subject}: {status}',
            text,
            began,
            operation in OURS,
        )
        return FAILED

    def _not_ended(
        self,
        operation: str,
        volume: Volume,
        subject: str,
        status: str,
        began: Begin,
    ) -> str:
        """It hangs, or its message was lost."""
        volume.content = None
        self._testbed.history.lost.add(subject)
        if not self._is_lost(subject, began):
            self._testbed.history.violated(
                f'{operation} of {subject}: still {status} after'
                f' {END_SECONDS:.0f} s'
            )
        return LOST

    def _told(self, volume: Volume, subject: str) -> str:
        """All that was said of it, to the user and in the log."""
        answer: Any = {'messages': []}
        try:
            answer = (
                self._volumes(volume)
                .get(f'/messages?resource_uuid={subject}', microversion='3.5')
                .json()
            )
        except API_ERRORS as exc:
            answer = {'messages': [{'user_message': str(exc)}]}
        messages = [e['user_message'] for e in answer.get('messages', [])]
        return '\n'.join([*messages, *self._testbed.log.about(subject)])

    def _refused(
        self, operation: str, subject: str, exc: object, began: Begin
    ) -> str:
        self._explain(f'{operation} {subject} refused', str(exc), began, False)
        return REFUSED

    def _explain(
        self, what: str, text: str, began: Begin, is_ours: bool
    ) -> None:
        """Count the cause, if it fits a fault; else it is a violation.

        :param is_ours: else any fault will do: what Cinder itself does and
            says is not judged.
        """
        events = self._testbed.timeline.since(began.at)
        named = causes.named(text)
        for event in reversed(events):
            fits = named & event.causes
            if fits or not is_ours:
                cause = causes.first(fits) or 'not told by Cinder'
                self._testbed.history.explained(event.name, cause)
                return
        faults = ', '.join({event.name for event in events}) or 'no fault'
        self._testbed.history.violated(
            f'{what}, with {faults}: it names'
            f' {", ".join(sorted(named)) or "no known cause"}:'
            f' {text[-1500:]}'
        )


def settled(look: Callable[[], str], is_lost: Callable[[], bool]) -> str:
    """The status in the end, or the last one that was seen."""
    began = time.monotonic()
    status = 'creating'
    while (waited := time.monotonic() - began) < END_SECONDS:
        try:
            status = look()
        except openstack.NotFoundException:
            return GONE
        except API_ERRORS:  # the API itself is down
            time.sleep(1)
            continue
        if status not in UNSETTLED:
            return status
        if waited > LOST_SECONDS and is_lost():
            return status
        time.sleep(PAUSE_SECONDS + waited / 100)
    return status


def _look(cloud: Cloud, volume_id: str, snapshot: str) -> Callable[[], str]:
    def look() -> str:
        volumes = cloud.connection.block_storage
        if snapshot:
            return str(volumes.get_snapshot(snapshot).status)
        return str(volumes.get_volume(volume_id).status)

    return look

# SPDX-License-Identifier: Apache-2.0
"""The sandbox's cloud as one of its users sees it: images and volumes."""

from collections.abc import Callable, Sequence
import concurrent.futures
import contextlib
import io
import time
from typing import Any, BinaryIO

import openstack

from sandbox import errors

POLL_SECONDS = 0.05
POLL_SHARE = 0.05  # of the time that has passed: the error of a measurement
WAIT_SECONDS = 300.0
BUSY = ('creating', 'downloading', 'deleting', 'queued', 'saving', 'importing')


class Cloud:
    """A user's session. Safe to use from many threads."""

    def __init__(
        self,
        env: dict[str, str],
        user: str | None = None,
        project: str | None = None,
    ) -> None:
        """:param env: as Stack.env() gives it, which is for the admin."""
        self.connection = openstack.connect(
            load_yaml_config=False,
            load_envvars=False,
            auth_url=env['OS_AUTH_URL'],
            username=user or env['OS_USERNAME'],
            password=env['OS_PASSWORD'],
            project_name=project or env['OS_PROJECT_NAME'],
            user_domain_name=env['OS_USER_DOMAIN_NAME'],
            project_domain_name=env['OS_PROJECT_DOMAIN_NAME'],
            region_name=env['OS_REGION_NAME'],
        )

    def create_image(
        self,
        name: str,
        content: bytes | BinaryIO,
        disk_format: str = 'raw',
        store: str = 'ceph',
        visibility: str = 'public',
        **properties: str,
    ) -> str:
        """The id of an image that is active."""
        images = self.connection.image
        image_id = images.post(
            '/images',
            json={
                'name': name,
                'disk_format': disk_format,
                'container_format': 'bare',
                'visibility': visibility,
                **properties,
            },
        ).json()['id']
        body = io.BytesIO(content) if isinstance(content, bytes) else content
        answer = images.put(
            f'/images/{image_id}/file',
            data=body,
            headers={
                'Content-Type': 'application/octet-stream',
                'X-Image-Meta-Store': store,
            },
        )
        _expect(answer.ok, f'upload of {name}', answer.text)
        self._settled(lambda: images.get_image(image_id), 'active')
        return str(image_id)

    def delete_image(self, image_id: str) -> None:
        """Delete an image, at once."""
        self.connection.image.delete_image(image_id)

    def create_volume(
        self,
        volume_type: str,
        image_id: str,
        size_gib: int = 1,
        expect: str = 'available',
    ) -> tuple[str, float]:
        """The volume's id and the seconds from the call to its status.

        :raises SandboxError: when it gets another status than expected.
        """
        (volume_id,), seconds = self.create_volumes(
            volume_type, image_id, size_gib, 1, expect
        )
        return volume_id, seconds

    def create_volumes(
        self,
        volume_type: str,
        image_id: str | None,
        size_gib: int,
        count: int,
        expect: str = 'available',
    ) -> tuple[list[str], float]:
        """Volumes asked for all at once: ids, seconds until the last is.

        :param image_id: None: they are empty.

        :raises SandboxError: when one gets another status than expected.
        """
        volumes = self.connection.block_storage

        def create(_number: int) -> str:
            return str(
                volumes.create_volume(
                    size=size_gib, image_id=image_id, volume_type=volume_type
                ).id
            )

        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(count) as workers:
            created = list(workers.map(create, range(count)))
        self._wait_until_all_are(expect, created, started)
        return created, time.monotonic() - started

    def _wait_until_all_are(
        self, expected: str, volume_ids: Sequence[str], started: float
    ) -> None:
        waiting = set(volume_ids)
        volumes = self.connection.block_storage
        # One call for all of them: asking costs the API as much as making.
        while waiting:
            for found in volumes.volumes(paginated=False):
                if found.id in waiting and found.status not in BUSY:
                    _expect(found.status == expected, found.id, found.status)
                    waiting.remove(found.id)
            elapsed = time.monotonic() - started
            _expect(
                elapsed < WAIT_SECONDS, str(waiting), 'these are still busy'
            )
            # Asking takes the cores that the copy needs: seldom when it lasts.
            time.sleep(max(POLL_SECONDS, POLL_SHARE * elapsed))

    def volume(self, volume_id: str) -> Any:
        """What the API says of the volume."""
        return self.connection.block_storage.get_volume(volume_id)

    def delete_volume(self, volume_id: str) -> None:
        """Delete a volume and wait until it is gone."""
        volumes = self.connection.block_storage
        volumes.delete_volume(volume_id)
        deadline = time.monotonic() + WAIT_SECONDS
        with contextlib.suppress(openstack.exceptions.NotFoundException):
            while volumes.get_volume(volume_id).status != 'error_deleting':
                _expect(
                    time.monotonic() < deadline, volume_id, 'is not deleted'
                )
                time.sleep(POLL_SECONDS)
            raise errors.SandboxError(f'{volume_id} could not be deleted')

    def _settled(self, show: Callable[[], Any], expected: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while (found := show()).status in BUSY and found.status != expected:
            _expect(time.monotonic() < deadline, found.id, found.status)
            time.sleep(POLL_SECONDS)
        _expect(found.status == expected, found.id, found.status)


def _expect(fact: bool, what: str, otherwise: str) -> None:
    if not fact:
        raise errors.SandboxError(f'{what}: {otherwise}')

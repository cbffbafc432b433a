# SPDX-License-Identifier: Apache-2.0

"""Calls of OpenStack's REST interfaces."""

from typing import Any

from keystoneauth1 import adapter, exceptions, session
from keystoneauth1.identity import v3
import requests

from sandbox import errors

PASSWORD = 'secret'
REGION = 'RegionOne'


class Rest:
    """The services as one user sees them. Safe to use from many threads.

    :raises Unanswered: from every call that does not succeed.
    """

    def __init__(
        self, keystone: str, user: str = 'admin', project: str = 'admin'
    ) -> None:
        direct = requests.Session()
        direct.trust_env = False  # loopback is not behind a proxy
        self._session = session.Session(
            session=direct,
            auth=v3.Password(
                keystone,
                username=user,
                password=PASSWORD,
                project_name=project,
                user_domain_id='default',
                project_domain_id='default',
            ),
        )

    def get(self, service: str, path: str) -> Any:
        """The parsed answer; the service is a type like block-storage."""
        return self._call(service, 'GET', path, None)

    def post(self, service: str, path: str, body: dict[str, Any]) -> Any:
        """The parsed answer."""
        return self._call(service, 'POST', path, body)

    def put(self, service: str, path: str) -> None:
        """PUT without a body."""
        self._call(service, 'PUT', path, None)

    def answers(self, service: str, path: str) -> bool:
        """True if a GET succeeds; else it raises Unanswered."""
        self.get(service, path)
        return True

    def _call(
        self, service: str, method: str, path: str, body: dict[str, Any] | None
    ) -> Any:
        caller = adapter.Adapter(
            self._session,
            service_type=service,
            interface='public',
            region_name=REGION,
        )
        try:
            answer = caller.request(path, method, json=body)
        except exceptions.ClientException as error:
            raise errors.Unanswered(
                f'{method} {service} {path}: {error}'
            ) from error
        return answer.json() if answer.content else None

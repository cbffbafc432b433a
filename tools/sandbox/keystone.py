# SPDX-License-Identifier: Apache-2.0

"""Keystone: users, projects and the catalogue."""

import base64
import os
import pathlib

from sandbox import mariadb, process, rest, template, wsgi

NAME = 'keystone'
SERVICE_USERS = ('glance', 'cinder')
# The token middleware looks for the internal one, clients for the public one.
INTERFACES = ('public', 'internal')


class Keystone:
    """Keystone under uwsgi, its tokens kept in memcached."""

    def __init__(
        self,
        processes: process.Processes,
        port: int,
        memcached_port: int,
        database: mariadb.MariaDB,
    ) -> None:
        self.folder = processes.folder / NAME
        self.url = f'http://127.0.0.1:{port}/v3'
        self._processes = processes
        self._port = port
        self._memcached_port = memcached_port
        self._database = database

    def start(self, catalogue: dict[tuple[str, str], str]) -> None:
        """Return when the users and the catalogue are there.

        :param catalogue: URLs by service type and name.
        """
        conf = template.write(
            self.folder / 'keystone.conf',
            folder=self.folder,
            database=self._database.url(NAME),
            memcached=f'127.0.0.1:{self._memcached_port}',
        )
        self._prepare(conf)
        wsgi.start(
            self._processes,
            NAME,
            self._port,
            'keystone.wsgi.api:application',
            {
                'OS_KEYSTONE_CONFIG_DIR': str(self.folder),
                'OS_KEYSTONE_CONFIG_FILES': conf.name,
            },
            workers=1,
        )
        api = rest.Rest(self.url)
        self._processes.wait(
            NAME, lambda: api.answers('identity', '/projects')
        )
        _create_users(api)
        _create_catalogue(api, catalogue)

    def _prepare(self, conf: pathlib.Path) -> None:
        """Keys, tables, the admin and the service called identity."""
        for repository in ('fernet', 'credential'):
            self._write_keys(repository)
        manage = ('keystone-manage', '--config-file', conf)
        self._processes.run('keystone-db-sync', [*manage, 'db_sync'])
        self._processes.run(
            'keystone-bootstrap',
            [
                *manage,
                'bootstrap',
                '--bootstrap-password',
                rest.PASSWORD,
                '--bootstrap-region-id',
                rest.REGION,
                '--bootstrap-public-url',
                self.url,
                '--bootstrap-internal-url',
                self.url,
            ],
        )

    def _write_keys(self, repository: str) -> None:
        """What `keystone-manage fernet_setup` does, without its second."""
        folder = self.folder / repository
        folder.mkdir(mode=0o700)
        for name in ('0', '1'):
            key = folder / name
            key.write_bytes(base64.urlsafe_b64encode(os.urandom(32)))
            key.chmod(0o600)


def _create_users(api: rest.Rest) -> None:
    """Glance and Cinder in `service`, an ordinary user in `demo`."""
    roles = {
        role['name']: role['id']
        for role in api.get('identity', '/roles')['roles']
    }
    service, demo = (
        _create(api, 'project', {'name': name}) for name in ('service', 'demo')
    )
    grants: list[tuple[str, str, tuple[str, ...]]] = [
        (name, service, ('admin', 'service')) for name in SERVICE_USERS
    ]
    grants.append(('demo', demo, ('member',)))
    for name, project, names in grants:
        user = _create(api, 'user', {'name': name, 'password': rest.PASSWORD})
        for role in names:
            api.put(
                'identity',
                f'/projects/{project}/users/{user}/roles/{roles[role]}',
            )


def _create_catalogue(
    api: rest.Rest, catalogue: dict[tuple[str, str], str]
) -> None:
    for (kind, name), url in catalogue.items():
        service = _create(api, 'service', {'name': name, 'type': kind})
        for interface in INTERFACES:
            endpoint = {
                'service_id': service,
                'interface': interface,
                'url': url,
                'region_id': rest.REGION,
            }
            _create(api, 'endpoint', endpoint)


def _create(api: rest.Rest, kind: str, body: dict[str, str]) -> str:
    """The new thing's id."""
    answer = api.post('identity', f'/{kind}s', {kind: body})
    return str(answer[kind]['id'])

# SPDX-License-Identifier: Apache-2.0

"""Glance with several stores."""

from collections.abc import Mapping
import pathlib
import sys

from sandbox import mariadb, process, rest, template, wsgi

NAME = 'glance'


class Glance:
    """Glance under uwsgi; image locations are hidden from users."""

    def __init__(
        self,
        processes: process.Processes,
        port: int,
        database: mariadb.MariaDB,
    ) -> None:
        self.folder = processes.folder / NAME
        self.url = f'http://127.0.0.1:{port}'
        self._processes = processes
        self._port = port
        self._database = database

    def prepare(
        self,
        keystone: str,
        memcached_port: int,
        stores: Mapping[str, pathlib.Path],
    ) -> None:
        """Write the configuration and make the tables.

        :param stores: the ceph.conf of each RBD store.
        """
        kinds = [f'{name}:rbd' for name in stores] + ['disk:file']
        sections = [_rbd_store(name, conf) for name, conf in stores.items()]
        conf = template.write(
            self.folder / 'glance-api.conf',
            folder=self.folder,
            stores=', '.join(kinds),
            rbd_stores='\n'.join(sections),
            database=self._database.url(NAME),
            keystone=keystone,
            password=rest.PASSWORD,
            prefix=sys.prefix,
            memcached=f'127.0.0.1:{memcached_port}',
        )
        for name in ('images', 'staging', 'tasks', 'locks'):
            (self.folder / name).mkdir()
        self._processes.run(
            'glance-db-sync',
            ['glance-manage', '--config-file', conf, 'db_sync'],
        )

    def start(self) -> None:
        """Return when the port takes connections."""
        wsgi.start(
            self._processes,
            NAME,
            self._port,
            'glance.wsgi.api:application',
            {
                'OS_GLANCE_CONFIG_DIR': str(self.folder),
                'OS_GLANCE_CONFIG_FILES': 'glance-api.conf',
            },
            workers=2,
        )

    def wait(self, api: rest.Rest) -> None:
        """Return when images are listed."""
        self._processes.wait(
            NAME, lambda: api.answers('image', '/v2/images?limit=1')
        )


def _rbd_store(name: str, conf: pathlib.Path) -> str:
    return (
        f'[{name}]\n'
        f'rbd_store_ceph_conf = {conf}\n'
        f'rbd_store_user = glance\n'
        f'rbd_store_pool = images\n'
        f'rbd_thin_provisioning = True\n'
    )

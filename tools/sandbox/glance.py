# SPDX-License-Identifier: Apache-2.0

"""Glance with several stores."""

from collections.abc import Iterator, Mapping
import contextlib
import pathlib
import shutil
import sys

from sandbox import mariadb, ports, process, rest, template, wsgi

NAME = 'glance'
#: One that knows no image of the first, as of another region.
ANOTHER = 'glance2'


class Glance:
    """Glance under uwsgi; image locations are hidden from users."""

    def __init__(
        self,
        processes: process.Processes,
        port: int,
        database: mariadb.MariaDB,
        name: str = NAME,
    ) -> None:
        self.folder = processes.folder / name
        self.name = name
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
            default_store=next(iter(stores), 'disk'),
            database=self._database.url(self.name),
            keystone=keystone,
            password=rest.PASSWORD,
            prefix=sys.prefix,
            memcached=f'127.0.0.1:{memcached_port}',
        )
        for name in ('images', 'staging', 'tasks', 'locks'):
            (self.folder / name).mkdir()
        self._processes.run(
            f'{self.name}-db-sync',
            ['glance-manage', '--config-file', conf, 'db_sync'],
        )

    def start(self) -> None:
        """Return when the port takes connections."""
        wsgi.start(
            self._processes,
            self.name,
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
            self.name, lambda: api.answers('image', '/v2/images?limit=1')
        )


@contextlib.contextmanager
def another(
    processes: process.Processes,
    database: mariadb.MariaDB,
    keystone: str,
    memcached_port: int,
) -> Iterator[str]:
    """The URL of a Glance with images of its own, in files.

    It runs meanwhile, beside the first, and knows no image of that.

    :raises NotReady: if it does not come up.
    """
    with ports.Ports() as taken:
        found = Glance(processes, taken.take(), database, ANOTHER)
    try:
        found.prepare(keystone, memcached_port, stores={})
        found.start()
        yield found.url
    finally:
        processes.stop(ANOTHER)
        shutil.rmtree(found.folder, ignore_errors=True)


def _rbd_store(name: str, conf: pathlib.Path) -> str:
    return (
        f'[{name}]\n'
        f'rbd_store_ceph_conf = {conf}\n'
        f'rbd_store_user = glance\n'
        f'rbd_store_pool = images\n'
        f'rbd_thin_provisioning = True\n'
    )

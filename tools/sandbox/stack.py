# SPDX-License-Identifier: Apache-2.0

"""All services together: the order of start and stop."""

from collections.abc import Iterator
import concurrent.futures
import contextlib
import dataclasses
import pathlib
import shutil
import sys
from typing import Self

from sandbox import (
    ceph,
    ceph_pools,
    cinder,
    errors,
    glance,
    keystone,
    mariadb,
    memcached,
    ports,
    process,
    rabbitmq,
    redis,
    rest,
    state,
    steps,
)
from sandbox.options import Options

_PORTS = (
    'mariadb',
    'memcached',
    'rabbitmq',
    'rabbitmq_dist',
    'epmd',
    'redis',
    'keystone',
    'glance',
    'cinder-api',
)
# What is stopped first: a service before those that it talks to.
_STOP_ORDER = (
    (
        cinder.API,
        cinder.SCHEDULER,
        *cinder.VOLUMES,
        cinder.BACKUP,
        glance.NAME,
        keystone.NAME,
    ),
    (rabbitmq.NAME, mariadb.NAME, memcached.NAME, redis.NAME),
)


class Stack:
    """A stack that runs; made by up() or load()."""

    def __init__(
        self, folder: pathlib.Path, options: Options, taken: dict[str, int]
    ) -> None:
        self.folder = folder
        self.options = options
        self._ports = taken
        self._processes = process.Processes(folder)
        names = ('ceph', 'far')[: options.clusters]
        formats = (options.clone_format, 2)
        self.clusters = [
            ceph.Cluster(
                folder / name, name, clone_format, processes=self._processes
            )
            for name, clone_format in zip(names, formats, strict=False)
        ]
        self._mariadb = mariadb.MariaDB(self._processes, taken['mariadb'])
        self._rabbitmq = rabbitmq.RabbitMQ(
            self._processes,
            taken['rabbitmq'],
            taken['rabbitmq_dist'],
            taken['epmd'],
        )
        self._keystone = keystone.Keystone(
            self._processes,
            taken['keystone'],
            taken['memcached'],
            self._mariadb,
        )
        self._glance = glance.Glance(
            self._processes, taken['glance'], self._mariadb
        )
        self._cinder = cinder.Cinder(
            self._processes, taken[cinder.API], self._mariadb, options.hosts
        )
        self._api = rest.Rest(self._keystone.url)

    @classmethod
    def up(cls, folder: pathlib.Path, options: Options) -> Self:
        """Start everything in a new folder; on any failure leave nothing.

        :raises SandboxError: if the folder is in use, or a service fails.
        """
        folder = folder.absolute()
        state.require_free(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with ports.Ports() as taken:
            stack = cls(
                folder, options, {name: taken.take() for name in _PORTS}
            )
            stack._save()
            work = steps.Steps()
            try:
                stack._start(work, taken)
                work.join()
            except BaseException as error:
                stack._undo(work, error)
                raise
        return stack

    @classmethod
    def load(cls, folder: pathlib.Path) -> Self:
        """The stack that up() made in the folder.

        :raises SandboxError: if there is none.
        """
        folder = folder.absolute()
        found = state.read(folder)
        return cls(folder, Options(**found['options']), found['ports'])

    @property
    def conversion_dir(self) -> pathlib.Path:
        """Where Cinder puts temporary copies of images."""
        return self._cinder.conversion_dir

    @property
    def glance_url(self) -> str:
        """Where Glance answers."""
        return self._glance.url

    def port(self, service: str) -> int | None:
        """The port that a service was given; None if it chose its own."""
        for cluster in self.clusters:
            if service == f'{cluster.name}-mon':
                return cluster.port()
        return self._ports.get(service)

    def services(self) -> list[tuple[str, int, bool]]:
        """Name, pid and whether it runs, of each service."""
        return [
            (name, self._processes.pid(name), self._processes.alive(name))
            for name in self._processes.services()
        ]

    def log_file(self, service: str) -> pathlib.Path:
        """The log of a service like cinder-volume."""
        return self._processes.log_file(service)

    def core_seconds(self) -> float:
        """What all services took of the cores so far."""
        return self._processes.core_seconds()

    def env(self) -> dict[str, str]:
        """What programs need to find the sandbox as OpenStack's admin."""
        found = {
            'CINDER_COW_SANDBOX': str(self.folder),
            'CEPH_CONF': str(self.clusters[0].conf),
        }
        if self.options.clusters == 2:
            found['CEPH_CONF_FAR'] = str(self.clusters[1].conf)
        if not self.options.ceph_only:
            found |= {
                'OS_AUTH_URL': self._keystone.url,
                'OS_IDENTITY_API_VERSION': '3',
                'OS_USERNAME': 'admin',
                'OS_PASSWORD': rest.PASSWORD,
                'OS_PROJECT_NAME': 'admin',
                'OS_USER_DOMAIN_NAME': 'Default',
                'OS_PROJECT_DOMAIN_NAME': 'Default',
                'OS_REGION_NAME': rest.REGION,
                'OS_VOLUME_API_VERSION': '3',
            }
        return found

    @property
    def cinder_volumes(self) -> tuple[str, ...]:
        """The names of the services of cinder-volume, one for each host."""
        return cinder.VOLUMES[: self.options.hosts]

    def cinder_volume_pids(self, host: int = 0) -> dict[str, int]:
        """The process of each backend of a host."""
        return self._cinder.volume_pids(host)

    def cinder_scheduler_pid(self) -> int:
        """The process of the scheduler."""
        return self._cinder.scheduler_pid()

    def restart_cinder_volume(
        self,
        extra_config: str = '',
        concurrency: str | None = None,
        kill: bool = False,
        host: int = 0,
    ) -> None:
        """Stop cinder-volume, start it, and return when it works.

        :param extra_config: sections that override cinder.conf's.
        :param concurrency: eventlet or threading; by default as at up().
        :param kill: stop it by SIGKILL, as a crash would.
        :param host: whose, of those that there are.
        :raises NotReady: if a backend does not come up.
        """
        self._processes.stop(cinder.VOLUMES[host], kill)
        since = cinder.now()
        self._cinder.start_volume(
            concurrency or self.options.concurrency, extra_config, host
        )
        self._cinder.wait_volume(self._api, since, host)

    def stop_cinder_volume(self, host: int) -> None:
        """As a crash of the host would; restart_cinder_volume() follows."""
        self._processes.stop(cinder.VOLUMES[host], kill=True)

    def members(self, service: str) -> list[int]:
        """The live processes of a service like glance."""
        return [each.pid for each in self._processes.members(service)]

    def restart_rabbitmq(self) -> None:
        """Stop it, start it with its files, and return when it answers."""
        self._processes.stop(rabbitmq.NAME)
        self._rabbitmq.serve()

    def restart_mariadb(self) -> None:
        """Stop it, start it with its data, and return when it answers."""
        self._processes.stop(mariadb.NAME)
        self._mariadb.serve()

    @contextlib.contextmanager
    def cinder_backup(self) -> Iterator[None]:
        """The backup service runs meanwhile; it keeps backups in Ceph.

        :raises NotReady: if it does not come up.
        """
        try:
            self._cinder.start_backup(self._api)
            yield
        finally:
            self._processes.stop(cinder.BACKUP)

    def another_glance(self) -> contextlib.AbstractContextManager[str]:
        """The URL of a Glance with images of its own: it runs meanwhile."""
        return glance.another(
            self._processes,
            self._mariadb,
            self._keystone.url,
            self._ports['memcached'],
        )

    def sql(self, database: str, statement: str, *values: str) -> None:
        """Change a service's database behind its back."""
        self._mariadb.execute(database, statement, *values)

    def down(self) -> None:
        """Stop everything and remove the folder."""
        running = self._processes.services()
        # An OSD waits for its monitor to take note.
        daemons = [name for name in running if name.endswith(('mgr', 'osd'))]
        for wave in (*_STOP_ORDER, daemons, running):
            with concurrent.futures.ThreadPoolExecutor() as pool:
                list(
                    pool.map(
                        self._processes.stop,
                        [name for name in wave if name in running],
                    )
                )
        self._processes.sweep()
        self._remove()

    def _start(self, work: steps.Steps, taken: ports.Ports) -> None:
        clusters = [
            work.add(
                f'Ceph cluster {cluster.name}',
                lambda cluster=cluster, name=name: (  # type: ignore[misc]
                    ceph_pools.start(cluster, taken, name)
                ),
            )
            for cluster, name in zip(
                self.clusters, ('near', 'far'), strict=False
            )
        ]
        if self.options.ceph_only:
            return
        self._start_openstack(work, clusters)

    def _start_openstack(
        self, work: steps.Steps, clusters: list[steps.Future]
    ) -> None:
        cache = work.add(
            'memcached',
            lambda: memcached.start(self._processes, self._ports['memcached']),
        )
        database = work.add('MariaDB', self._mariadb.start)
        broker = work.add('RabbitMQ', self._rabbitmq.start)
        users = work.add('Keystone', self._start_keystone, [database, cache])
        tables = [
            work.add('Glance: tables', self._prepare_glance, [database]),
            work.add('Cinder: tables', self._prepare_cinder, [database]),
        ]
        images = work.add('Glance', self._glance.start, [tables[0], *clusters])
        volumes = work.add(
            'Cinder', self._start_cinder, [tables[1], broker, *clusters]
        )
        work.add(
            'Glance: answers',
            lambda: self._glance.wait(self._api),
            [images, users],
        )
        work.add(
            'Cinder: backends and volume types',
            self._finish_cinder,
            [volumes, users],
        )

    def _start_keystone(self) -> None:
        self._keystone.start(
            {
                ('image', 'glance'): self._glance.url,
                ('block-storage', 'cinder'): self._cinder.url,
            }
        )

    def _prepare_glance(self) -> None:
        self._glance.prepare(
            self._keystone.url,
            self._ports['memcached'],
            {cluster.name: cluster.conf for cluster in self.clusters},
        )

    def _prepare_cinder(self) -> None:
        self._cinder.prepare(
            cinder.Neighbours(
                self._keystone.url,
                self._glance.url,
                self._rabbitmq.url,
                self._ports['memcached'],
                self.clusters[0].conf,
                self._coordination(),
            )
        )

    def _coordination(self) -> str:
        if self.options.hosts == 1:
            return f'file://{self._cinder.folder}/coordination'
        return f'redis://127.0.0.1:{self._ports["redis"]}'

    def _start_redis(self) -> None:
        if self.options.hosts > 1:
            redis.start(self._processes, self._ports['redis'])

    def _start_cinder(self) -> None:
        self._start_redis()
        self._cinder.start(self.options.concurrency)

    def _finish_cinder(self) -> None:
        for host in range(self.options.hosts):
            self._cinder.wait_volume(self._api, since=0, host=host)
        self._cinder.create_types(self._api)

    def _save(self) -> None:
        options = dataclasses.asdict(self.options)
        state.write(self.folder, {'options': options, 'ports': self._ports})

    def _undo(self, work: steps.Steps, error: BaseException) -> None:
        print('stopping what was started', file=sys.stderr, flush=True)
        self._processes.abort()
        work.abandon()
        self._processes.sweep()
        if isinstance(error, errors.SandboxError):
            kept = self.folder.with_name(f'{self.folder.name}-failed-log')
            shutil.rmtree(kept, ignore_errors=True)
            self._processes.log_dir.rename(kept)
            error.add_note(f'All logs are kept in {kept}')
        self._remove()

    def _remove(self) -> None:
        self._processes.remove_tmp_dir()
        shutil.rmtree(self.folder)

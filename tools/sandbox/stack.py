# SPDX-License-Identifier: Apache-2.0

"""All services together: the order of start and stop."""

from collections.abc import Iterator
import concurrent.futures
import contextlib
import dataclasses
import json
import pathlib
import shutil
import sys
from typing import Any, Self

from sandbox import (
    ceph,
    cinder,
    errors,
    glance,
    keystone,
    mariadb,
    memcached,
    ports,
    process,
    rabbitmq,
    rest,
    steps,
)

_STATE = 'state.json'
_PORTS = (
    'mariadb',
    'memcached',
    'rabbitmq',
    'rabbitmq_dist',
    'epmd',
    'keystone',
    'glance',
    'cinder-api',
)
# What is stopped first: a service before those that it talks to.
_STOP_ORDER = (
    (
        cinder.API,
        cinder.SCHEDULER,
        cinder.VOLUME,
        cinder.BACKUP,
        glance.NAME,
        keystone.NAME,
    ),
    (rabbitmq.NAME, mariadb.NAME, memcached.NAME),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What kind of stack.

    :param clusters: 1, or 2: Glance's store `far` is in a second cluster.
    :param clone_format: of RBD clones in the first cluster, 1 or 2.
    :param concurrency: of cinder-volume, eventlet or threading.
    """

    clusters: int = 2
    clone_format: int = 2
    concurrency: str = 'eventlet'
    ceph_only: bool = False


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
            self._processes, taken[cinder.API], self._mariadb
        )
        self._api = rest.Rest(self._keystone.url)

    @classmethod
    def up(cls, folder: pathlib.Path, options: Options) -> Self:
        """Start everything in a new folder; on any failure leave nothing.

        :raises SandboxError: if the folder is in use, or a service fails.
        """
        folder = folder.absolute()
        _refuse_used(folder)
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
        try:
            state = json.loads((folder / _STATE).read_text())
        except FileNotFoundError:
            raise errors.SandboxError(
                f'there is no sandbox in {folder}; start one by '
                f'"tools/sandbox.sh up --folder {folder}"'
            ) from None
        return cls(folder, Options(**state['options']), state['ports'])

    @property
    def conversion_dir(self) -> pathlib.Path:
        """Where Cinder puts temporary copies of images."""
        return self._cinder.conversion_dir

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

    def cinder_volume_pids(self) -> dict[str, int]:
        """The process of each backend."""
        return self._cinder.volume_pids()

    def cinder_scheduler_pid(self) -> int:
        """The process of the scheduler."""
        return self._cinder.scheduler_pid()

    def restart_cinder_volume(
        self,
        extra_config: str = '',
        concurrency: str | None = None,
        kill: bool = False,
    ) -> None:
        """Stop cinder-volume, start it, and return when it works.

        :param extra_config: sections that override cinder.conf's.
        :param concurrency: eventlet or threading; by default as at up().
        :param kill: stop it by SIGKILL, as a crash would.
        :raises NotReady: if a backend does not come up.
        """
        self._processes.stop(cinder.VOLUME, kill)
        since = cinder.now()
        self._cinder.start_volume(
            concurrency or self.options.concurrency, extra_config
        )
        self._cinder.wait_volume(self._api, since)

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
                    _start_cluster(cluster, taken, name)
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
            )
        )

    def _start_cinder(self) -> None:
        self._cinder.start(self.options.concurrency)

    def _finish_cinder(self) -> None:
        self._cinder.wait_volume(self._api, since=0)
        self._cinder.create_types(self._api)

    def _save(self) -> None:
        state: dict[str, Any] = {
            'options': dataclasses.asdict(self.options),
            'ports': self._ports,
        }
        with open(self.folder / _STATE, 'x') as file:
            json.dump(state, file)

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


def _start_cluster(
    cluster: ceph.Cluster, taken: ports.Ports, place: str
) -> None:
    """A cluster with the pools and users of Ceph's guide for OpenStack."""
    cluster.start(taken)
    near = ('volumes', 'volumes-upstream', 'backups')
    ours = near if place == 'near' else ()
    for pool in ('images', *ours):
        cluster.create_pool(pool)
    images = 'profile rbd pool=images'
    cluster.create_user('glance', mon='profile rbd', osd=images, mgr=images)
    volumes = ', '.join(
        [f'profile rbd pool={pool}' for pool in ours]
        + ['profile rbd-read-only pool=images']
    )
    cluster.create_user('cinder', mon='profile rbd', osd=volumes, mgr=volumes)


def _refuse_used(folder: pathlib.Path) -> None:
    if (folder / _STATE).exists():
        raise errors.SandboxError(
            f'a sandbox is in {folder} already; use it, or end it by '
            f'"tools/sandbox.sh down --folder {folder}"'
        )
    if folder.exists() and any(folder.iterdir()):
        raise errors.SandboxError(
            f'{folder} holds something else; name an empty or new folder'
        )

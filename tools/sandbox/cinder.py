# SPDX-License-Identifier: Apache-2.0

"""Cinder: API, scheduler, and one volume service per backend."""

import dataclasses
import datetime
import os
import pathlib
import re
import sys
import time

from sandbox import errors, mariadb, ports, process, rest, template

API, SCHEDULER, BACKUP = 'cinder-api', 'cinder-scheduler', 'cinder-backup'
#: cinder-volume on the first host and on the second; and what they are called.
VOLUMES = ('cinder-volume', 'cinder-volume-2')
HOSTS = ('sandbox', 'sandbox-2')
#: Two hosts that share their work: they are active at once.
_SHARED = """\
[DEFAULT]
host = {host}
cluster = sandboxes
[oslo_concurrency]
lock_path = {folder}/locks-{host}
"""
# The driver class of each backend, by which the log tells them apart.
DRIVERS = {'cow': 'CowRBDDriver', 'upstream': 'RBDDriver'}
START_SECONDS = 90.0
COW_DRIVER = 'cinder_cow.driver.CowRBDDriver'
#: One project with many images in a cluster of 20 GiB.
COW_OPTIONS = """\
cow_image_pools = images
cow_base_max_share = 0.8
cow_base_max_share_per_project = 1
"""

# Another driver in place of ours, to try the sandbox without the project.
_COW_DRIVER_VARIABLE = 'SANDBOX_COW_DRIVER'
# A virtual environment with another release of Cinder.
_PREFIX_VARIABLE = 'SANDBOX_CINDER_PREFIX'
# Of a volume whose user names no type: cow or upstream.
_DEFAULT_TYPE_VARIABLE = 'SANDBOX_DEFAULT_TYPE'

# In cinder-volume's log: a backend works, or will never do.
_READY = 'Driver post RPC initialization completed successfully.'
_FATAL = ('failed to start.:', 'Failed to initialize driver.')


@dataclasses.dataclass(frozen=True, slots=True)
class Neighbours:
    """Where Cinder finds the other services."""

    keystone: str
    glance: str
    rabbitmq: str
    memcached_port: int
    ceph_conf: pathlib.Path
    #: For tooz.
    coordination: str


class Cinder:
    """Cinder's three services."""

    def __init__(
        self,
        processes: process.Processes,
        port: int,
        database: mariadb.MariaDB,
        hosts: int = 1,
    ) -> None:
        """:param hosts: of cinder-volume."""
        self.hosts = hosts
        self.folder = processes.folder / 'cinder'
        self.conversion_dir = self.folder / 'conversion'
        self.url = f'http://127.0.0.1:{port}/v3/%(project_id)s'
        self._conf = self.folder / 'cinder.conf'
        self._prefix = os.environ.get(_PREFIX_VARIABLE, sys.prefix)
        self._processes = processes
        #: Where the log of a volume service's present run begins.
        self._log_begins = [0] * hosts
        self._port = port
        self._database = database

    def prepare(self, neighbours: Neighbours) -> None:
        """Write the configuration and make the tables."""
        driver = os.environ.get(_COW_DRIVER_VARIABLE, COW_DRIVER)
        ours = driver == COW_DRIVER
        template.write(
            self._conf,
            folder=self.folder,
            port=self._port,
            prefix=self._prefix,
            password=rest.PASSWORD,
            database=self._database.url('cinder'),
            default_type=os.environ.get(_DEFAULT_TYPE_VARIABLE, 'upstream'),
            cow_driver=driver,
            ceph_conf=neighbours.ceph_conf,
            cow_options=COW_OPTIONS if ours else '',
            keystone=neighbours.keystone,
            glance=neighbours.glance,
            rabbitmq=neighbours.rabbitmq,
            memcached=f'127.0.0.1:{neighbours.memcached_port}',
            coordination=neighbours.coordination,
        )
        template.write(self.folder / 'rootwrap.conf', prefix=self._prefix)
        for name in ('state', 'conversion', 'locks', 'coordination'):
            (self.folder / name).mkdir()
        for host in range(self.hosts):
            self._extra(host).touch(mode=0o600)
            self._write_host(host)
        self._processes.run(
            'cinder-db-sync',
            [self._program('cinder-manage'), *self._configured, 'db', 'sync'],
        )

    def _extra(self, host: int) -> pathlib.Path:
        return self.folder / f'{VOLUMES[host]}.conf'

    def _host(self, host: int) -> pathlib.Path:
        return self.folder / f'{HOSTS[host]}.conf'

    def _write_host(self, host: int) -> None:
        text = _SHARED.format(host=HOSTS[host], folder=self.folder)
        self._host(host).write_text(text if self.hosts > 1 else '')

    @property
    def _configured(self) -> tuple[str | pathlib.Path, ...]:
        return '--config-file', self._conf

    def _program(self, name: str) -> pathlib.Path:
        return pathlib.Path(self._prefix) / 'bin' / name

    def start(self, concurrency: str) -> None:
        """Return when the API's port takes connections."""
        for service in (API, SCHEDULER):
            self._processes.start(
                service, [self._program(service), *self._configured]
            )
        for host in range(self.hosts):
            self.start_volume(concurrency, host=host)
        self._processes.wait(
            API, lambda: ports.answers(self._port), START_SECONDS
        )

    def start_volume(
        self, concurrency: str, extra_config: str = '', host: int = 0
    ) -> None:
        """Start a host's services; wait_volume() knows when they are up.

        :param extra_config: sections that override cinder.conf's.
        """
        self._extra(host).write_text(extra_config)
        log = self._processes.log_file(VOLUMES[host])
        if log.exists():
            self._log_begins[host] = len(log.read_text(errors='replace'))
        threading = '1' if concurrency == 'threading' else '0'
        self._processes.start(
            VOLUMES[host],
            [
                self._program(VOLUMES[0]),
                *self._configured,
                '--config-file',
                self._host(host),
                '--config-file',
                self._extra(host),
            ],
            {'OS_CINDER_DISABLE_EVENTLET_PATCHING': threading},
        )

    def start_backup(self, api: rest.Rest) -> None:
        """Start the backup service, and return when it works."""
        self._processes.start(
            BACKUP, [self._program(BACKUP), *self._configured]
        )
        services = f'/os-services?binary={BACKUP}'

        def works() -> bool:
            found = api.get('block-storage', services)['services']
            return any(each['state'] == 'up' for each in found)

        self._processes.wait(BACKUP, works, START_SECONDS)

    def wait_volume(self, api: rest.Rest, since: float, host: int = 0) -> None:
        """Return when both backends work and the scheduler knows them.

        :param since: the time that they were started at; earlier signs of
            life do not count.
        """

        self._processes.wait(
            VOLUMES[host], lambda: self._ready(api, since, host), START_SECONDS
        )

    def _ready(self, api: rest.Rest, since: float, host: int) -> bool:
        log = self._processes.log_file(VOLUMES[host])
        text = log.read_text(errors='replace')[self._log_begins[host] :]
        if any(words in text for words in _FATAL):
            raise errors.NotReady(VOLUMES[host], 'has a broken backend', log)
        # Not by the service's record alone, which is touched before the
        # driver is ready.
        return (
            text.count(_READY) >= len(DRIVERS)
            and _reported(api, since, HOSTS[host])
            and _pools_known(api)
        )

    def create_types(self, api: rest.Rest) -> None:
        """A volume type for each backend, of the same name."""
        for name in DRIVERS:
            api.post(
                'block-storage',
                '/types',
                {
                    'volume_type': {
                        'name': name,
                        'extra_specs': {'volume_backend_name': name},
                    }
                },
            )

    def scheduler_pid(self) -> int:
        """The process of the scheduler."""
        return self._processes.pid(SCHEDULER)

    def volume_pids(self, host: int = 0) -> dict[str, int]:
        """The process of each backend, as far as the log tells."""
        service = VOLUMES[host]
        log = self._processes.log_file(service).read_text(errors='replace')
        alive = {member.pid for member in self._processes.members(service)}
        starts = re.findall(
            r'^\S+ \S+ (\d+) .* Starting volume driver (\w+) ', log, re.M
        )
        living = {
            driver: int(pid) for pid, driver in starts if int(pid) in alive
        }
        return {
            name: living[driver]
            for name, driver in DRIVERS.items()
            if driver in living
        }


def now() -> float:
    """The time as MariaDB's rows hold it: whole seconds."""
    return float(int(time.time()))


def _reported(api: rest.Rest, since: float, host: str) -> bool:
    answer = api.get('block-storage', '/os-services?binary=cinder-volume')
    seen = {
        service['host']: service
        for service in answer['services']
        if service['state'] == 'up' and service['updated_at']
    }
    return all(
        name in seen and _time(seen[name]['updated_at']) > since
        for name in (f'{host}@{backend}' for backend in DRIVERS)
    )


def _pools_known(api: rest.Rest) -> bool:
    pools = api.get('block-storage', '/scheduler-stats/get_pools')['pools']
    names = [pool['name'] for pool in pools]
    return all(any(f'@{name}#' in pool for pool in names) for name in DRIVERS)


def _time(text: str) -> float:
    """Seconds since 1970 of a UTC time without a zone."""
    return (
        datetime.datetime.fromisoformat(text)
        .replace(tzinfo=datetime.UTC)
        .timestamp()
    )

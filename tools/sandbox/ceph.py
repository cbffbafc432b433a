# SPDX-License-Identifier: Apache-2.0

"""A Ceph cluster: one monitor, one manager, one OSD or a few."""

import concurrent.futures
import json
import os
import pathlib
import shutil
import types
from typing import Any, Self
import uuid

from sandbox import errors, ports, process, template

OSD_BYTES = 20 << 30  # of a sparse file
MEMSTORE_BYTES = 4 << 30
START_SECONDS = 60.0
_IDS = {'mon': 'a', 'mgr': 'x', 'osd': '0'}

# The root of another Debian, whose daemons are taken; the commands of clients
# stay this machine's.
_ROOT_VARIABLE = 'SANDBOX_CEPH_ROOT'
_IN_ROOT = pathlib.Path(__file__).with_name('in_root.sh')

_ALL = (
    '--cap',
    'mon',
    'allow *',
    '--cap',
    'osd',
    'allow *',
    '--cap',
    'mgr',
    'allow *',
)
_CAPS = {
    'mon.': ('--cap', 'mon', 'allow *'),
    'client.admin': _ALL,
    'mgr.x': ('--cap', 'mon', 'allow profile mgr', '--cap', 'osd', 'allow *'),
}
_OSD_CAPS = (
    '--cap',
    'mon',
    'allow profile osd',
    '--cap',
    'osd',
    'allow *',
    '--cap',
    'mgr',
    'allow profile osd',
)


class Cluster:
    """A cluster with all its files in one folder; a context manager.

    :param name: of its services and log files.
    :param clone_format: 1 or 2; RBD's clones of format 2 need no protected
        snapshot and let a parent be deleted before its clones.
    :param store: bluestore, or memstore (faster to start, bound by memory).
    :param osds: three of them can have an erasure-coded pool. The daemons are
        called osd, osd.1, osd.2.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        name: str = 'ceph',
        clone_format: int = 2,
        store: str = 'bluestore',
        *,
        osds: int = 1,
        processes: process.Processes | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.name = name
        self.clone_format = clone_format
        self.store = store
        self.osds = ['osd', *(f'osd.{number}' for number in range(1, osds))]
        self.conf = self.folder / 'ceph.conf'
        self._root = os.environ.get(_ROOT_VARIABLE)
        self._shared = processes is not None
        self._processes = processes or process.Processes(self.folder)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def fsid(self) -> str:
        """The cluster's id."""
        for line in self.conf.read_text().splitlines():
            if line.startswith('fsid ='):
                return line.partition('=')[2].strip()
        raise errors.SandboxError(f'{self.conf} has no fsid')

    def start(self, taken: ports.Ports | None = None) -> None:
        """Make the cluster and return when its health is ok.

        :raises NotReady: if a daemon dies, or is not ready in time.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with ports.Ports() as own:
            self._write_conf(taken or own)
            self._write_keyrings()
            self._start_mon()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for future in [
                pool.submit(self._start_mgr),
                pool.submit(self._start_osds),
            ]:
                future.result()
        if self.clone_format == 2:
            self.ceph('osd', 'set-require-min-compat-client', 'mimic')
        # Debian 13's manager loads none of its modules, which are not needed.
        self.ceph('health', 'mute', 'MGR_MODULE_DEPENDENCY', '--sticky')
        self._processes.wait(
            f'{self.name}-osd',
            self._healthy,
            START_SECONDS,
            pause_seconds=0.5,  # each look is a process
        )

    def stop(self) -> None:
        """Stop the daemons and remove the folder."""
        for daemon in ('mgr', *self.osds, 'mon'):
            self._processes.stop(f'{self.name}-{daemon}')
        if not self._shared:
            self._processes.sweep()
            self._processes.remove_tmp_dir()
        shutil.rmtree(self.folder, ignore_errors=True)

    def ceph(self, *arguments: str) -> Any:
        """The ceph command's answer, parsed; it runs as client.admin.

        :raises CommandFailed: with the command's standard error.
        """
        output = self._processes.run(
            f'{self.name}-cli',
            [
                'ceph',
                '-c',
                self.conf,
                '--connect-timeout',
                '20',
                '-f',
                'json',
                *arguments,
            ],
        )
        try:
            return json.loads(output) if output.strip() else None
        except json.JSONDecodeError:  # few commands know no JSON
            return output.strip()

    def create_pool(self, name: str) -> None:
        """Make a pool for RBD images."""
        self.ceph('osd', 'pool', 'create', name)
        self._processes.run(
            f'{self.name}-cli', ['rbd', '-c', self.conf, 'pool', 'init', name]
        )

    def create_data_pool(self, name: str) -> None:
        """Make an erasure-coded pool for the data of RBD images.

        The cluster needs three OSDs.
        """
        profile = ('erasure-code-profile', 'set', name, 'k=2', 'm=1')
        self.ceph('osd', *profile, 'crush-failure-domain=osd')
        self.ceph('osd', 'pool', 'create', name, 'erasure', name)
        overwrites = ('allow_ec_overwrites', 'true')
        self.ceph('osd', 'pool', 'set', name, *overwrites)
        self.ceph('osd', 'pool', 'application', 'enable', name, 'rbd')

    def create_user(self, name: str, **caps: str) -> None:
        """Make a cephx user; `conf` leads its programs to its keyring.

        :param name: without the word client.
        :param caps: mon=, osd= and mgr=
        """
        entity = f'client.{name}'
        words = [word for cap in caps.items() for word in cap]
        (user,) = self.ceph('auth', 'get-or-create', entity, *words)
        keyring = self._keyring(entity)
        keyring.touch(mode=0o600)
        keyring.write_text(f'[{entity}]\n\tkey = {user["key"]}\n')

    def pid(self, daemon: str) -> int:
        """The process id of a daemon: mon, mgr, osd or osd.1."""
        return self._processes.pid(f'{self.name}-{daemon}')

    def restart(self, daemon: str) -> None:
        """End mon or osd by SIGKILL, and start it again."""
        self._processes.stop(f'{self.name}-{daemon}', kill=True)
        self._run_daemon(daemon)

    def port(self) -> int:
        """The monitor's port, of the newer protocol."""
        return int(
            self.conf.read_text().split('[v2:127.0.0.1:')[1].partition('/')[0]
        )

    def _keyring(self, entity: str) -> pathlib.Path:
        return self.folder / f'ceph.{entity}.keyring'

    def _write_conf(self, taken: ports.Ports) -> None:
        template.write(
            self.conf,
            fsid=uuid.uuid4(),
            folder=self.folder,
            store=self.store,
            cluster=self.name,
            log_dir=self._processes.log_dir,
            port_v2=taken.take(),
            port_v1=taken.take(),
            osd_bytes=OSD_BYTES,
            memstore_bytes=MEMSTORE_BYTES,
        )

    def _write_keyrings(self) -> None:
        bundle = self.folder / 'keyring'
        self._run('ceph-authtool', '--create-keyring', bundle)
        osds = range(len(self.osds))
        known = _CAPS | {f'osd.{number}': _OSD_CAPS for number in osds}
        for entity, caps in known.items():
            own = self._keyring(entity)
            self._run(
                'ceph-authtool',
                '--create-keyring',
                own,
                '--gen-key',
                '-n',
                entity,
                *caps,
            )
            self._run('ceph-authtool', bundle, '--import-keyring', own)

    def _start_mon(self) -> None:
        monmap = self.folder / 'monmap'
        port = self.port()
        self._run(
            'monmaptool',
            '--create',
            '--fsid',
            self.fsid,
            '--addv',
            'a',
            self._addresses(),
            monmap,
        )
        self._run(
            'ceph-mon',
            '-c',
            self.conf,
            '--mkfs',
            '-i',
            'a',
            '--monmap',
            monmap,
            '--keyring',
            self.folder / 'keyring',
        )
        self._run_daemon('mon')
        self._processes.wait(f'{self.name}-mon', lambda: ports.answers(port))

    def _start_mgr(self) -> None:
        (self.folder / 'mgr').mkdir()
        self._run_daemon('mgr')

    def _start_osds(self) -> None:
        for number, daemon in enumerate(self.osds):
            (self.folder / f'osd.{number}').mkdir()
            osd = str(uuid.uuid4())
            self.ceph('osd', 'new', osd)
            self._run(
                *('ceph-osd', '-c', self.conf, '-i', str(number)),
                *('--mkfs', '--osd-uuid', osd),
            )
            self._run_daemon(daemon)

    def _addresses(self) -> str:
        for line in self.conf.read_text().splitlines():
            if line.startswith('mon_host'):
                return line.partition('=')[2].strip().replace('/0', '')
        raise errors.SandboxError(f'{self.conf} has no mon_host')

    def _healthy(self) -> bool:
        status = self.ceph('status')
        return bool(
            status['health']['status'] == 'HEALTH_OK'
            and status['osdmap']['num_up_osds'] == len(self.osds)
            and status['mgrmap']['available']
        )

    def _run_daemon(self, daemon: str) -> None:
        kind, _, number = daemon.partition('.')
        # In /, as systemd starts them: Debian 13's OSD looks for its classes
        # in lib/, relative to the folder that it runs in.
        self._processes.start(
            f'{self.name}-{daemon}',
            [*self._inside(), f'ceph-{kind}', '-i', number or _IDS[kind]]
            + ['-c', self.conf, '-f'],
            folder='/',
        )

    def _run(self, *argv: str | pathlib.Path) -> None:
        self._processes.run(
            f'{self.name}-{pathlib.Path(argv[0]).name}',
            [*self._inside(), *argv],
        )

    def _inside(self) -> tuple[str | pathlib.Path, ...]:
        if self._root is None:
            return ()
        return _IN_ROOT, self._root, self._processes.folder, '--'

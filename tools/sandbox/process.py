# SPDX-License-Identifier: Apache-2.0

"""Start processes, wait for them, and leave none behind."""

from collections.abc import Callable, Mapping, Sequence
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from sandbox import errors, proc

# Every process that we start has this variable in its environment, and so do
# its children: a process that leaves its session is found all the same.
MARK = 'CINDER_COW_SANDBOX_SERVICE'
POLL_SECONDS = 0.05
STOP_SECONDS = 10.0  # then SIGKILL
COMMAND_SECONDS = 120.0

# sun_path holds 107 bytes; the longest name that a service makes in its
# TMPDIR is privsep's, /tmpXXXXXXXX/privsep.sock.
_LONGEST_TMP = 107 - len('/tmpXXXXXXXX/privsep.sock')


class Processes:
    """The processes of one sandbox folder. Safe to use from many threads."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.log_dir = folder / 'log'
        self._run_dir = folder / 'run'
        self._aborted = threading.Event()
        for made in (self.log_dir, self._run_dir):
            made.mkdir(parents=True, exist_ok=True)
        self.tmp_dir = self._choose_tmp_dir()

    def _choose_tmp_dir(self) -> pathlib.Path:
        inside = self.folder / 'tmp'
        if len(os.fsencode(inside)) > _LONGEST_TMP and not inside.exists():
            inside.symlink_to(tempfile.mkdtemp(prefix='cow-'))
        inside.mkdir(exist_ok=True)
        return inside.resolve()

    def remove_tmp_dir(self) -> None:
        """Remove the temporary files, also where they lie elsewhere."""
        subprocess.run(['rm', '-rf', '--', self.tmp_dir], check=True)

    def log_file(self, service: str) -> pathlib.Path:
        """Where the output of a service or command goes."""
        return self.log_dir / f'{service}.log'

    def services(self) -> list[str]:
        """The services that were started and not stopped, oldest first."""
        files = self._run_dir.glob('*.pid')
        return [
            file.stem
            for file in sorted(files, key=lambda file: file.stat().st_mtime_ns)
        ]

    def pid(self, service: str) -> int:
        """The pid that a service was started with, or 0."""
        leader = self._leader(service)
        return leader.pid if leader else 0

    def alive(self, service: str) -> bool:
        """Whether the process that was started is still there."""
        leader = self._leader(service)
        return leader is not None and leader.alive

    def members(self, service: str) -> list[proc.Identity]:
        """The live processes of a service: the first one and all below."""
        leader = self._leader(service)
        found = set(proc.marked(self._mark(service)))
        if leader:
            found.update(proc.session_members(leader))
        return [member for member in found if member.alive]

    def start(
        self,
        service: str,
        argv: Sequence[str | os.PathLike[str]],
        env: Mapping[str, str] | None = None,
        folder: str | None = None,
    ) -> None:
        """Start a service in a session of its own; it outlives us.

        :param folder: that it runs in; by default one of the sandbox.
        :raises Aborted: if abort() was called.
        """
        self._check_abort()
        log = self.log_file(service)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        environment = self._environment(service, env)
        _check_program(argv[0], environment['PATH'])
        # Not in the caller's folder: uwsgi imports from where it is.
        place = folder or self._run_dir
        pid = os.posix_spawn(
            '/usr/bin/env',
            ['env', '-C', place, *argv],
            environment,
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, '/dev/null', os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )
        leader = proc.identity(pid)
        self._pid_file(service).write_text(
            json.dumps([leader.pid, leader.start_ticks])
        )

    def run(
        self,
        name: str,
        argv: Sequence[str | os.PathLike[str]],
        env: Mapping[str, str] | None = None,
    ) -> str:
        """The standard output of a command that ends by itself.

        :raises CommandFailed: if it ends with an error, or not in time.
        """
        self._check_abort()
        command = ' '.join(os.fspath(word) for word in argv)
        try:
            ended = subprocess.run(
                argv,
                env=self._environment(name, env),
                text=True,
                cwd=self._run_dir,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                start_new_session=True,
                timeout=COMMAND_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            self._kill(self.members(name), signal.SIGKILL)
            raise errors.CommandFailed(
                command, -1, f'no end after {error.timeout} s'
            ) from error
        self._check_abort()  # a killed command may seem to have succeeded
        if ended.returncode:
            raise errors.CommandFailed(
                command, ended.returncode, ended.stdout + ended.stderr
            )
        return ended.stdout

    def wait(
        self,
        service: str,
        ready: Callable[[], bool],
        seconds: float = 60,
        pause_seconds: float = POLL_SECONDS,
    ) -> None:
        """Return as soon as `ready` says so.

        :raises NotReady: if the service dies or the time is over; with the
            last Unanswered that `ready` raised.
        """
        deadline = time.monotonic() + seconds
        last = ''
        while True:
            self._check_abort()
            try:
                if ready():
                    return
            except errors.Unanswered as error:
                last = f' ({error})'
            if not self.alive(service):
                self._fail(service, f'exited{last}')
            if time.monotonic() > deadline:
                self._fail(
                    service, f'was not ready after {seconds:.0f} s{last}'
                )
            self._aborted.wait(pause_seconds)

    def stop(self, service: str, kill: bool = False) -> None:
        """Stop a service with all its children; return when all are gone.

        :param kill: SIGKILL to all at once, as a crash of the machine would.
        """
        members = self.members(service)
        if leader := self._leader(service):
            first = members if kill else [leader]
            self._kill(first, signal.SIGKILL if kill else signal.SIGTERM)
            _wait_gone(first, STOP_SECONDS)
        # What left the session or was forked meanwhile, until none is there.
        while rest := self.members(service) or _alive(members):
            self._kill(rest, signal.SIGKILL)
            _wait_gone(rest, STOP_SECONDS)
        self._pid_file(service).unlink(missing_ok=True)

    def abort(self) -> None:
        """Kill everything; what is being started fails with Aborted."""
        self._aborted.set()
        self.sweep()

    def sweep(self) -> None:
        """Kill every process of this folder, known by a pid file or not."""
        while found := proc.marked(self._folder_mark()):
            self._kill(found, signal.SIGKILL)
            _wait_gone(found, STOP_SECONDS)

    def core_seconds(self) -> float:
        """What all that run, and their ended children, took so far."""
        return sum(
            proc.core_seconds(each.pid)
            for each in proc.marked(self._folder_mark())
        )

    def _fail(self, service: str, reason: str) -> None:
        raise errors.NotReady(service, reason, self.log_file(service))

    def _check_abort(self) -> None:
        if self._aborted.is_set():
            raise errors.Aborted('the start was broken off')

    def _kill(
        self, members: Sequence[proc.Identity], number: signal.Signals
    ) -> None:
        for member in members:
            if member.alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member.pid, number)

    def _mark(self, service: str) -> str:
        return f'{MARK}={self.folder}:{service}'

    def _folder_mark(self) -> str:
        return f'{MARK}_FOLDER={self.folder}'

    def _pid_file(self, service: str) -> pathlib.Path:
        return self._run_dir / f'{service}.pid'

    def _leader(self, service: str) -> proc.Identity | None:
        try:
            text = self._pid_file(service).read_text()
        except FileNotFoundError:
            return None
        return proc.Identity(*json.loads(text)) if text else None

    def _environment(
        self, service: str, extra: Mapping[str, str] | None
    ) -> dict[str, str]:
        venv_bin = pathlib.Path(sys.prefix) / 'bin'
        return {
            'PATH': f'{venv_bin}:/usr/sbin:/usr/bin:/sbin:/bin',
            'HOME': str(self.tmp_dir),
            'TMPDIR': str(self.tmp_dir),
            'LANG': 'C.UTF-8',
            'SPT_NOENV': '1',  # setproctitle: leave our mark readable
            **dict([self._mark(service).split('=', 1)]),
            f'{MARK}_FOLDER': str(self.folder),
            **(extra or {}),
        }


def _check_program(program: str | os.PathLike[str], path: str) -> None:
    if shutil.which(program, path=path) is None:
        raise errors.SandboxError(
            f'{program} is missing; tools/bootstrap.sh installs it'
        )


def _alive(members: Sequence[proc.Identity]) -> list[proc.Identity]:
    return [member for member in members if member.alive]


def _wait_gone(members: Sequence[proc.Identity], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while _alive(members) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)

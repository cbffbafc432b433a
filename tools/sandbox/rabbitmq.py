# SPDX-License-Identifier: Apache-2.0

"""RabbitMQ with an epmd of its own."""

import pathlib

import amqp  # type: ignore[import-untyped]

from sandbox import ports, process

NAME = 'rabbitmq'
EPMD = 'epmd'
# Debian's commands in /usr/sbin change to the user rabbitmq and drop our
# environment; these do not.
_BIN = pathlib.Path('/usr/lib/rabbitmq/bin')
# No shell, no busy waiting for work, other nodes on loopback alone.
_ERL_ARGUMENTS = (
    '-noinput +sbwt none -kernel inet_dist_use_interface {127,0,0,1}'
)


class RabbitMQ:
    """One node on loopback; its files lie in the folder."""

    def __init__(
        self,
        processes: process.Processes,
        port: int,
        dist_port: int,
        epmd_port: int,
    ) -> None:
        self.folder = processes.folder / NAME
        self.url = f'rabbit://guest:guest@127.0.0.1:{port}/'
        self._processes = processes
        self._port = port
        self._dist_port = dist_port
        self._epmd_port = epmd_port

    def start(self) -> None:
        """Return when the node takes connections."""
        self.folder.mkdir()
        config = self.folder / 'rabbitmq.conf'
        config.write_text(f'listeners.tcp.default = 127.0.0.1:{self._port}\n')
        (self.folder / 'enabled_plugins').write_text('[].\n')
        # Started by erl it would be a daemon that outlives the node.
        self._processes.start(
            EPMD,
            ['epmd', '-port', str(self._epmd_port), '-address', '127.0.0.1'],
        )
        self._processes.wait(EPMD, lambda: ports.answers(self._epmd_port))
        self.serve()

    def serve(self) -> None:
        """Start the node with the files that are there."""
        self._processes.start(
            NAME, [_BIN / 'rabbitmq-server'], self._environment()
        )
        self._processes.wait(NAME, self._answers)

    def _answers(self) -> bool:
        """Whether a login succeeds: a node that boots takes connections."""
        try:
            with amqp.Connection(
                f'127.0.0.1:{self._port}', connect_timeout=5, read_timeout=5
            ):
                return True
        except (OSError, amqp.AMQPError):
            return False

    def _environment(self) -> dict[str, str]:
        return {
            'HOME': str(self.folder),  # of the Erlang cookie
            'RABBITMQ_NODENAME': f'sandbox{self._port}@localhost',
            'RABBITMQ_CONFIG_FILE': str(self.folder / 'rabbitmq'),
            'RABBITMQ_CONF_ENV_FILE': str(self.folder / 'none'),
            'RABBITMQ_ENABLED_PLUGINS_FILE': str(
                self.folder / 'enabled_plugins'
            ),
            'RABBITMQ_MNESIA_BASE': str(self.folder / 'mnesia'),
            'RABBITMQ_LOG_BASE': str(self.folder),
            'RABBITMQ_LOGS': '-',
            'RABBITMQ_PID_FILE': str(self.folder / 'rabbitmq.pid'),
            'RABBITMQ_DIST_PORT': str(self._dist_port),
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS': _ERL_ARGUMENTS,
            'RABBITMQ_ALLOW_INPUT': '1',  # no shell between us and erl
            'ERL_EPMD_ADDRESS': '127.0.0.1',
            'ERL_EPMD_PORT': str(self._epmd_port),
        }

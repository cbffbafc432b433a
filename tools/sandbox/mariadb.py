# SPDX-License-Identifier: Apache-2.0

"""MariaDB with a database for each service."""

import os
import pathlib
import shutil

import pymysql

from sandbox import process

NAME = 'mariadb'
DATABASES = ('keystone', 'glance', 'glance2', 'cinder')
PASSWORD = 'secret'


class MariaDB:
    """The server; its data lie in the folder."""

    def __init__(self, processes: process.Processes, port: int) -> None:
        self.folder = processes.folder / NAME
        self.port = port
        self._processes = processes

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of a service's database."""
        return (
            f'mysql+pymysql://{database}:{PASSWORD}@127.0.0.1:{self.port}'
            f'/{database}?charset=utf8'
        )

    def start(self) -> None:
        """Return when the databases take connections."""
        as_user = ['--user=root'] if os.geteuid() == 0 else []
        self._processes.run(
            'mariadb-install',
            [
                'mariadb-install-db',
                '--no-defaults',
                *as_user,
                f'--datadir={self.folder}',
                '--skip-test-db',
                '--auth-root-authentication-method=normal',
            ],
        )
        self.serve()

    def serve(self) -> None:
        """Start it with the data that are there."""
        as_user = ['--user=root'] if os.geteuid() == 0 else []
        self._processes.start(
            NAME,
            [
                _mariadbd(),
                '--no-defaults',
                *as_user,
                f'--datadir={self.folder}',
                f'--init-file={self._write_sql()}',
                '--socket=mariadb.sock',  # below datadir: no limit to its path
                '--bind-address=127.0.0.1',
                f'--port={self.port}',
                '--max-connections=500',
                '--skip-name-resolve',
                # Nobody needs these data after a crash.
                '--innodb-flush-log-at-trx-commit=0',
                '--skip-log-bin',
            ],
        )
        self._processes.wait(NAME, self._answers)

    def _write_sql(self) -> pathlib.Path:
        script = self.folder / 'databases.sql'
        script.write_text(
            ''.join(
                f'CREATE DATABASE IF NOT EXISTS {name};\n'
                f"CREATE USER IF NOT EXISTS '{name}'@'127.0.0.1'\n"
                f"    IDENTIFIED BY '{PASSWORD}';\n"
                f"GRANT ALL ON {name}.* TO '{name}'@'127.0.0.1';\n"
                for name in DATABASES
            )
        )
        return script

    def execute(self, database: str, statement: str, *values: str) -> None:
        """Change a service's database behind its back."""
        with self._connect(database) as connection:
            connection.cursor().execute(statement, values)
            connection.commit()

    def _connect(self, database: str) -> pymysql.Connection:
        return pymysql.connect(
            host='127.0.0.1',
            port=self.port,
            user=database,
            password=PASSWORD,
            database=database,
        )

    def _answers(self) -> bool:
        try:
            self._connect(DATABASES[-1]).close()  # they are made in order
        except pymysql.MySQLError:
            return False
        return True


def _mariadbd() -> str:
    return shutil.which('mariadbd', path='/usr/sbin:/usr/bin') or 'mariadbd'

# SPDX-License-Identifier: Apache-2.0
"""A set-up of its own for `cinder-cow doctor`, to be broken and mended."""

import configparser
import json
import os
import re
import shlex
import subprocess
import sys

#: Of the cephx user whose caps are taken away, and of the user of Glance.
USER = 'patient'
PASSWORD = 'patients-password'
ROLES = ('admin', 'service', 'reader')
#: As Ceph's guide for OpenStack has them.
CAPS = {
    'mon': 'profile rbd',
    'osd': 'profile rbd pool=volumes, profile rbd-read-only pool=images',
    'mgr': 'profile rbd pool=volumes',
}
CAP = re.compile(r"Add '(.+?)' to the (osd and mgr|osd) caps of client\.(\w+)")
COMMAND = re.compile(r'\b(?:ceph|openstack) [\w ./-]+')


def read(conf):
    found = configparser.ConfigParser(interpolation=None, strict=False)
    found.read(conf)
    return found


class Patient:
    """A cinder.conf in a folder, and users that nobody else has.

    Its cephx user may what the guide says: write volumes, read images.
    """

    def __init__(self, stack, cloud, folder):
        self.stack = stack
        self.cluster = stack.clusters[0]
        self.keyring = self.cluster.folder / f'ceph.client.{USER}.keyring'
        self.conf = folder / 'cinder.conf'
        self.folder = folder
        self.environment = os.environ | stack.env()
        self._identity = cloud.connection.identity
        self._options = read(stack.folder / 'cinder' / 'cinder.conf')
        self._make_users()
        self.set('glance', username=USER, password=PASSWORD)
        self.set('cow', rbd_user=USER)
        far = stack.clusters[1].conf
        self.set('cow', cow_remote_clusters=f'{far}:cinder')
        self.set('DEFAULT', verify_glance_signatures='disabled')
        self._healthy = self.conf.read_text(), self.keyring.read_text()

    def _make_users(self):
        self.cluster.create_user(USER, **CAPS)
        project = self._identity.find_project('service')
        user = self._identity.create_user(
            name=USER,
            password=PASSWORD,
            default_project_id=project.id,
            domain_id='default',
        )
        self._ids = (project.id, user.id)
        for role in ROLES:
            self.grant(role)

    def heal(self):
        """Everything but the caps as it was at first."""
        conf, keyring = self._healthy
        self.conf.write_text(conf)
        self._options = read(self.conf)
        self.keyring.write_text(keyring)
        for role in ROLES:
            self.grant(role)

    def remove(self):
        self.cluster.ceph('auth', 'rm', f'client.{USER}')
        self.keyring.unlink(missing_ok=True)
        self._identity.delete_user(self._ids[1])

    def set(self, section, **options):
        """Change options; None takes one away."""
        for name, value in options.items():
            if value is None:
                self._options.remove_option(section, name)
            else:
                self._options[section][name] = str(value)
        with self.conf.open('w') as file:
            self._options.write(file)

    def take_section(self, section):
        """Take a section away, and answer what it held."""
        held = dict(self._options.items(section))
        own = {each for each in held if each not in self._options.defaults()}
        self._options.remove_section(section)
        self.set('DEFAULT')
        return {name: held[name] for name in own}

    def add_section(self, section, options):
        self._options.add_section(section)
        self.set(section, **options)

    def grant(self, role):
        self._assign('PUT', role)

    def revoke(self, role):
        self._assign('DELETE', role)

    def _assign(self, method, role):
        project, user = self._ids
        role_id = self._identity.find_role(role).id
        answer = self._identity.request(
            f'/projects/{project}/users/{user}/roles/{role_id}', method
        )
        assert answer.ok, answer.text

    def rows(self, *arguments, **environment):
        """Each line of the doctor's, by its question; and the exit status."""
        ended = subprocess.run(
            [sys.executable, '-m', 'cinder_cow.cli.main', 'doctor']
            + ['--config-file', str(self.conf), '-f', 'json', *arguments],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        self._expect_no_secret(ended.stdout + ended.stderr)
        assert 'Traceback' not in ended.stderr, ended.stderr
        assert ended.returncode in (0, 1), ended.stderr
        rows = {row['Check']: row for row in json.loads(ended.stdout)}
        failed = any(row['Result'] == 'fail' for row in rows.values())
        assert ended.returncode == int(failed), ended.stdout
        return rows

    def _expect_no_secret(self, text):
        keys = re.findall(r'key = (\S+)', self._all_keyrings())
        for secret in (PASSWORD, *keys):
            assert secret not in text

    def _all_keyrings(self):
        paths = self.cluster.folder.glob('ceph.client.*.keyring')
        return '\n'.join(path.read_text() for path in paths)

    def apply_caps(self, remedy):
        """Add the cap that the remedy names to those that the user has."""
        cap, kinds, user = CAP.search(remedy).groups()
        (known,) = self.cluster.ceph('auth', 'get', f'client.{user}')
        caps = dict(known['caps'])
        for kind in kinds.split(' and '):
            caps[kind] = ', '.join(filter(None, [caps.get(kind), cap]))
        self.set_caps(user, **caps)

    def set_caps(self, user=USER, **caps):
        words = [word for each in caps.items() for word in each]
        self.cluster.ceph('auth', 'caps', f'client.{user}', *words)

    def apply_command(self, remedy, cluster=None):
        """Run the command of the remedy, as an administrator would."""
        conf = (cluster or self.cluster).conf
        program, *words = shlex.split(COMMAND.search(remedy)[0])
        if program == 'ceph':
            command = ['ceph', '-c', str(conf), *words]
            subprocess.run(command, check=True, capture_output=True)
        else:
            self._openstack(words)

    def _openstack(self, words):
        """`role add --user ID --project ID ROLE`, without that client."""
        *subcommand, _, user, _, project, role = words
        assert subcommand == ['role', 'add']
        assert (project, user) == self._ids
        self.grant(role)

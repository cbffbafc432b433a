# SPDX-License-Identifier: Apache-2.0
"""A backend's section of cinder.conf, read without Cinder."""

from collections.abc import Iterable, Sequence
from typing import Any

from oslo_config import cfg

from cinder_cow import opts, wiring
from cinder_cow.cli.failures import CommandFailed

DRIVER = 'cinder_cow.driver.CowRBDDriver'
#: Holds what a backend's section does not say.
SHARED = 'backend_defaults'
DEFAULT = {each.dest for each in wiring.CINDER_DEFAULT_OPTIONS}
#: Of castellan, which Cinder takes certificates by.
KEY_MANAGER = cfg.StrOpt('backend', default='', deprecated_name='api_class')


class Section:
    """Its options are attributes, by their names.

    What it does not set is taken from [backend_defaults], as Cinder does in
    cinder/volume/configuration.py.

    :raises CommandFailed: on reading a value that is none.
    """

    #: Which Glance it is: known to who has logged in there.
    glance_name = ''

    def __init__(self, conf: cfg.ConfigOpts, name: str) -> None:
        self.name = name
        #: The whole cinder.conf, for what no backend has: [glance].
        self.conf = conf
        conf.register_opts(wiring.CINDER_DEFAULT_OPTIONS)
        conf.register_opt(KEY_MANAGER, group='key_manager')
        self._register((*wiring.CINDER_BACKEND_OPTIONS, *opts.OPTS))
        self._register(wiring.plugin_options(self))

    def _register(self, options: Iterable[cfg.Opt]) -> None:
        for opt in options:
            self.conf.register_opt(opt, group=SHARED)
            if self.name != SHARED:
                self.conf.register_opt(opt, group=self.name)
                self.conf.set_default(opt.dest, None, group=self.name)

    @property
    def key_manager(self) -> str:
        """What keeps certificates; empty where nothing is configured."""
        # Without a word castellan would ask a Barbican on this host.
        implied = 'barbican' in self.conf.list_all_sections()
        return self.conf.key_manager.backend or 'barbican' * implied

    def __getattr__(self, option: str) -> Any:
        try:
            if option in DEFAULT:
                return self.conf[option]
            value = self.conf[self.name][option]
            if value is None:
                value = self.conf[SHARED][option]
        except cfg.NoSuchOptError as exc:
            raise AttributeError(option) from exc
        except cfg.Error as exc:
            raise CommandFailed(str(exc)) from exc
        return value


def section(paths: Sequence[str], name: str | None) -> Section:
    """The section of that name, or the only one with our driver.

    :param paths: of the files; empty: those that cinder-volume reads.
    :raises CommandFailed: when they cannot be read, or the choice is not one.
    """
    conf = _read(paths)
    ours = [
        each
        for each in conf.enabled_backends
        if Section(conf, each).volume_driver == DRIVER
    ]
    if name is not None:
        return Section(conf, _checked(conf, name, ours))
    if len(ours) != 1:
        raise CommandFailed(
            f'{_named(conf)} has {len(ours)} enabled_backends with'
            f' volume_driver = {DRIVER}{_listed(ours)}. Name one by'
            f' --backend, or the file by --config-file.'
        )
    return Section(conf, ours[0])


def _checked(conf: cfg.ConfigOpts, name: str, ours: list[str]) -> str:
    """Also one that is not enabled here: another host may have it so."""
    if name not in conf.list_all_sections():
        raise CommandFailed(
            f'{_named(conf)} has no section [{name}]. Those with'
            f' volume_driver = {DRIVER}{_listed(ours) or ": none"}.'
        )
    return name


def _read(paths: Sequence[str]) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.ListOpt('enabled_backends', default=[]))
    given = {'default_config_files': list(paths), 'default_config_dirs': []}
    try:
        conf(
            args=[],
            project='cinder',
            prog='cinder-volume',
            **(given if paths else {}),
        )
    except cfg.ConfigFileParseError as exc:
        # Its text shows the line, of whatever file that is.
        raise CommandFailed(
            f'{exc.config_file} is no file of options. See --config-file.'
        ) from None
    except cfg.Error as exc:
        raise CommandFailed(f'{exc}. See --config-file.') from exc
    if not conf.config_file:
        raise CommandFailed(
            'There is no /etc/cinder/cinder.conf. Name the file by'
            ' --config-file.'
        )
    return conf


def _named(conf: cfg.ConfigOpts) -> str:
    return ', '.join(conf.config_file)


def _listed(names: list[str]) -> str:
    return f': {", ".join(names)}' if names else ''

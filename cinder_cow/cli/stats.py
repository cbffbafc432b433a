# SPDX-License-Identifier: Apache-2.0
"""The command `cinder-cow stats`."""

import argparse
from typing import Any

from cliff import show
import prometheus_client

from cinder_cow import backends
from cinder_cow.backends.statistics import VolumeOrigin
from cinder_cow.cli import pool_metrics
from cinder_cow.cli.base_selection import store_of
from cinder_cow.cli.columns import Bytes
from cinder_cow.cli.configuration import Section
from cinder_cow.cli.failures import CommandFailed
from cinder_cow.cli.of_backend import OfBackend
from cinder_cow.cli.pool_metrics import BaseUse, Pool

ORIGINS = {
    VolumeOrigin.IMAGE: 'Clones of images',
    VolumeOrigin.BASE: 'Clones of bases',
    VolumeOrigin.VOLUME: 'Clones of volumes',
    VolumeOrigin.NOBODY: 'Volumes without a parent',
}


class Stats(OfBackend, show.ShowOne):
    """Show how many volumes are clones, and what the pool holds.

    Read from Ceph alone: Cinder's database is not asked.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--prometheus',
            action='store_true',
            help="Print metrics for the textfile collector of Prometheus'"
            ' node_exporter instead.',
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        if not parsed_args.prometheus:
            return int(super().run(parsed_args))
        section = self.section(parsed_args)
        registry = pool_metrics.registry(section.name, _pool(section))
        text = prometheus_client.generate_latest(registry).decode()
        self.app.stdout.write(text)
        return 0

    def take_action(
        self, args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        pool = _pool(self.section(args))
        found = pool.statistics
        known = {
            'Volumes': sum(found.volumes.values()),
            **{
                ORIGINS[origin]: number
                for origin, number in found.volumes.items()
            },
            'Shared': Bytes(found.shared_bytes),
            'Bases': len(pool.bases),
            'Bytes of bases': Bytes(pool.base_bytes),
            'Children of bases': sum(
                each.children for each in pool.bases.values()
            ),
            'Failed builds': pool.failed_builds,
            'Images in trash': found.trash_images,
            'Bytes in trash': Bytes(found.trash_bytes),
        }
        return tuple(known), tuple(known.values())


def _pool(section: Section) -> Pool:
    """What lies in the pool now.

    :raises CommandFailed: when the backend does not count.
    """
    backend = backends.from_options(section)
    found = backend.statistics()
    store = store_of(section)
    if found is None:
        raise CommandFailed(
            f'The backend {section.cow_backend} of [{section.name}] does not'
            f' count what it holds.'
        )
    return Pool(
        found,
        {
            base.name: BaseUse(
                base.info.stored_bytes, store.children(base.name)
            )
            for base in store.recorded_bases()
        },
        sum(1 for each in store.build_records().values() if each.kind),
    )

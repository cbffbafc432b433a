# SPDX-License-Identifier: Apache-2.0
"""How long `clone_image` takes in the driver alone, ours beside upstream's.

A program: `python -m measuring.in_driver CINDER_CONF CASES ROUNDS`, with
CASES as JSON: a list of objects with `name`, `driver` (a section of
cinder.conf), `image_meta` and `location`. It prints {name: [seconds, ...]} as
JSON. The cases take turns, in one process, and remove each volume before the
next.
"""

import json
import sys
import time
import types
from typing import Any
import uuid

# First: a cold import of cinder.image.glance fails in Cinder 25 to 29.
from cinder.volume.drivers import rbd  # isort: skip
from cinder.volume import configuration
from cinder.volume import driver as cinder_driver
from oslo_config import cfg

from cinder_cow.driver import CowRBDDriver
from measuring import rows

CLASSES = {'cow': CowRBDDriver, 'upstream': rbd.RBDDriver}


def main(conf: str, cases: str, rounds: str) -> None:
    """Print the seconds of every clone."""
    cfg.CONF([], project='cinder', default_config_files=[conf])
    # There is no volume in the database to be marked as verified or not.
    cfg.CONF.set_override('verify_glance_signatures', 'disabled')
    given = json.loads(cases)
    drivers = {
        name: make_driver(name) for name in {c['driver'] for c in given}
    }
    seconds: dict[str, list[float]] = {case['name']: [] for case in given}
    for _ in range(int(rounds)):
        for case in given:
            locations = (None, [{'url': case['location'], 'metadata': {}}])
            seconds[case['name']].append(
                _clone(drivers[case['driver']], case['image_meta'], locations)
            )
    json.dump(seconds, sys.stdout)


def make_driver(name: str) -> Any:
    driver = CLASSES[name](
        configuration=configuration.Configuration(
            cinder_driver.volume_opts, config_group=name
        )
    )
    driver.do_setup(None)
    return driver


def make_volume(volume_id: str) -> Any:
    """What the drivers read of a Volume here; it needs no database."""
    return types.SimpleNamespace(
        id=volume_id,
        name=f'volume-{volume_id}',
        project_id='measured',
        size=rows.SIZE_GIB,
        volume_type=None,
        volume_type_id=None,
        encryption_key_id=None,
    )


def _clone(driver: Any, image_meta: dict[str, Any], locations: Any) -> float:
    volume = make_volume(str(uuid.uuid4()))
    started = time.perf_counter()
    _update, cloned = driver.clone_image(
        None, volume, locations, image_meta, None
    )
    seconds = time.perf_counter() - started
    if not cloned:
        raise SystemExit(f'{type(driver).__name__} made no clone')
    driver.delete_volume(volume)
    return seconds


if __name__ == '__main__':
    main(*sys.argv[1:])

# SPDX-License-Identifier: Apache-2.0

"""Runs `in_driver`: clones in the drivers alone, without the API."""

import json
import os
import statistics
import subprocess
import sys
from typing import Any

from measuring import rows
from sandbox.cloud import Cloud
from sandbox.stack import Stack


def measure(
    stack: Stack, cloud: Cloud, images: list[rows.Image], rounds: int
) -> list[rows.Row]:
    """Of each image by our driver, of raw ones by upstream's too."""
    cases = [
        _case(stack, cloud, image, driver)
        for image in images
        for driver in rows.POOLS
        if driver == 'cow' or image.disk_format == 'raw'
    ]
    seconds = run(stack, cases, rounds)
    return [
        rows.Row(
            case['driver'],
            case['place'],
            rows.ALONE,
            round(statistics.median(seconds[case['name']]), 4),
            'clone' if case['place'].startswith('raw') else 'clone-base',
        )
        for case in cases
    ]


def run(
    stack: Stack, cases: list[dict[str, Any]], rounds: int
) -> dict[str, list[float]]:
    """The seconds of each case, by its name."""
    conf = stack.folder / 'cinder' / 'cinder.conf'
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-m', 'measuring.in_driver']
        + [str(conf), json.dumps(cases), str(rounds)],
        env=os.environ | stack.env(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f'measuring.in_driver failed:\n{done.stderr}')
    seconds: dict[str, list[float]] = json.loads(done.stdout)
    return seconds


def _case(
    stack: Stack, cloud: Cloud, image: rows.Image, driver: str
) -> dict[str, Any]:
    fsid = stack.clusters[0].fsid
    shown = cloud.connection.image.get_image(image.image_id)
    return {
        'name': f'{driver} {image.place}',
        'place': image.place,
        'driver': driver,
        'location': f'rbd://{fsid}/images/{image.image_id}/snap',
        'image_meta': {
            'id': image.image_id,
            'status': 'active',
            'disk_format': image.disk_format,
            'container_format': 'bare',
            'size': shown.size,
            'os_hash_algo': shown.hash_algo,
            'os_hash_value': shown.hash_value,
            'properties': {},
        },
    }

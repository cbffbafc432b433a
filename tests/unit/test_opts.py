# SPDX-License-Identifier: Apache-2.0
import pathlib

from oslo_config import cfg, generator

from cinder_cow import opts

ROOT = pathlib.Path(__file__).parents[2]
SAMPLE = 'etc/cinder/cinder-cow.conf.sample'


def test_sample_is_current(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    generated = tmp_path / 'sample'
    conf = cfg.ConfigOpts()
    generator.register_cli_opts(conf)
    conf(
        ['--config-file', 'tools/config-generator.conf'],
        default_config_files=[],
    )
    conf.set_override('output_file', str(generated))

    generator.generate(conf)

    assert pathlib.Path(SAMPLE).read_text() == generated.read_text(), (
        'run: tox -e genconfig'
    )


def test_every_option_is_ours_by_name_and_says_what_it_is_for():
    for option in opts.OPTS:
        assert option.name.startswith('cow_')
        assert len(option.help) > 80

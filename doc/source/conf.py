# SPDX-License-Identifier: Apache-2.0
project = 'cinder-cow'
copyright = 'the cinder-cow contributors'
extensions = ['cliff.sphinxext', 'oslo_config.sphinxext', 'reno.sphinxext']
html_theme = 'alabaster'
html_theme_options = {'page_width': '1080px', 'sidebar_width': '240px'}
# Its commands are no plugins of another command.
autoprogram_cliff_app_dist_name = 'cinder-cow'
man_pages = [
    (
        'man',
        'cinder-cow',
        'look after the volumes and base images of cinder-cow',
        [],
        1,
    )
]

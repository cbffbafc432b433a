# SPDX-License-Identifier: Apache-2.0
project = 'cinder-cow'
copyright = 'the cinder-cow contributors'
extensions = ['oslo_config.sphinxext', 'reno.sphinxext']
html_theme = 'alabaster'
html_theme_options = {'page_width': '1080px', 'sidebar_width': '240px'}

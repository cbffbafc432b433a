# SPDX-License-Identifier: Apache-2.0
project = 'cinder-cow'
copyright = 'the cinder-cow contributors'
extensions = ['reno.sphinxext']
html_theme = 'alabaster'

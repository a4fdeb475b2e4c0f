# SPDX-License-Identifier: Apache-2.0
"""Screens an archive: every study of it scored once for the weights that serve, on Ray, one machine or many.

``manifest`` lists the studies; ``run`` gives them out and writes what came back through ``dataset``, the one place that
knows what is done; ``work`` is what a worker does with one study. Whatever moment a worker, the server, the archive or
this process is killed at, the same command goes on where it was.
"""

from vcf_contract import telemetry

telemetry.switch_off()

# SPDX-License-Identifier: Apache-2.0
"""Stands between a PACS and a Triton server: takes studies, has them analysed, sends report and picture back.

``intake`` persists what arrives before it is answered; ``journal`` knows where each study stands; ``analysis`` makes
results of it; ``delivery`` hands these to the PACS. ``service`` runs them together. Whatever moment the process is
killed at, the next one goes on from the journal and the spool.
"""

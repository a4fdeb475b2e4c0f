# SPDX-License-Identifier: Apache-2.0
"""Evaluation of trained weights: the whole pipeline on held-out studies, its figures with intervals, and a report.

``vcf_training.evaluate`` runs it; ``studies`` has the data sets, ``cases`` the answers, ``figures`` what is worked out
of them, ``report`` the page.
"""

# SPDX-License-Identifier: Apache-2.0
"""Spines by the shape of real ones: vertebra masks in VerSe's labels, given bone, marrow, tissue and a scan.

A mask holds what is hardest to invent: how real vertebrae, and real fractures, are shaped. What it lacks is drawn anew
each time. ``load_mask_spines`` finds the masks, ``Look`` draws how one looks, ``rendered`` makes a patient of it that
``vcf_training.warp`` deforms and scans as it does real ones.
"""

from vcf_training.masks.look import Look
from vcf_training.masks.render import rendered
from vcf_training.masks.spines import MaskSpine, load_mask_spines

__all__ = ["Look", "MaskSpine", "load_mask_spines", "rendered"]

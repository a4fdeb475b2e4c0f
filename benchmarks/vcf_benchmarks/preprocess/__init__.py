# SPDX-License-Identifier: Apache-2.0
"""``vcf bench preprocess`` times the way from volume and centre line to patches against other libraries."""

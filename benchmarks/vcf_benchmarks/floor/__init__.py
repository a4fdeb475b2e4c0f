# SPDX-License-Identifier: Apache-2.0
"""``vcf bench floor`` sets a study beside the time of its arithmetic and one copy of its voxels."""

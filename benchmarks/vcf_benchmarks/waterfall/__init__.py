# SPDX-License-Identifier: Apache-2.0
"""``vcf bench waterfall`` accounts for every millisecond of a study, from DICOM files to the report."""

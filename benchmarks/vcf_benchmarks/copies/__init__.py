# SPDX-License-Identifier: Apache-2.0
"""``vcf bench copies`` sets the bytes copied for a study beside the budget that follows from the contract."""

# SPDX-License-Identifier: Apache-2.0
"""``vcf bench overhead`` measures the serving overhead: through Triton against the same pipeline in one process."""

# SPDX-License-Identifier: Apache-2.0
"""What all parts of the product share: the contract of the served models, the refusal codes, the ``vcf`` command."""

__version__ = "0.1.0"

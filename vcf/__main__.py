# SPDX-License-Identifier: Apache-2.0
"""``python -m vcf``: the command where the package is not installed."""

import sys

from vcf.cli import main

sys.exit(main())

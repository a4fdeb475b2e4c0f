# SPDX-License-Identifier: Apache-2.0
"""``python -m vcf_cli``: the command where the package is not installed."""

import sys

from vcf_cli import main

sys.exit(main())

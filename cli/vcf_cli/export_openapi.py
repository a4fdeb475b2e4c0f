# SPDX-License-Identifier: Apache-2.0
"""Tell what ``vcf export openapi`` does."""

import argparse

from vcf_export import openapi_document


def run(args: argparse.Namespace) -> int:
    """Print or write the document."""
    if args.json:
        args.json.write_text(openapi_document.text(), "utf-8")
    else:
        print(openapi_document.text(), end="")
    return 0

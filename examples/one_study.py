# SPDX-License-Identifier: Apache-2.0
"""Analyse one study and write a report.

usage: python examples/one_study.py STUDY REPORT_FOLDER [SERVER]
"""

import sys
from pathlib import Path

from vcf_client import VcfClient
from vcf_client.report import write_report
from vcf_contract.errors import StudyRefused


def main(study: str, report: str, server: str = "127.0.0.1:8001") -> None:
    with VcfClient(server, deadline_s=60) as client:
        try:
            findings = client.analyze(study)
        except StudyRefused as refusal:  # an answer: the same study will get it again
            sys.exit(f"refused, {refusal.code}: {refusal.sentence}")
    write_report(findings, Path(report))  # report.html, midsagittal.png, findings.json
    print(f"score {findings.study_score:.2f}, {'positive' if findings.positive else 'negative'}")
    for patch in filter(findings.is_positive, findings.patches):
        low, high = patch.box_mm
        print(f"look at z {low[2]:.0f} to {high[2]:.0f} mm (patient LPS), score {patch.score:.2f}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

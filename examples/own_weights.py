# SPDX-License-Identifier: Apache-2.0
"""Train a member, export it beside the detector that ships, and serve it: tiny, on phantoms, in two minutes.

usage: python examples/own_weights.py FOLDER
"""

import shutil
import subprocess
import sys
from pathlib import Path

from vcf_client import VcfClient
from vcf_export.python_models import copy_python_models
from vcf_server.server import TritonServer
from vcf_training.store import DETECTOR_NAME, SHIPPED, weights_path


def vcf(*words: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "vcf_cli", *map(str, words)], check=True)


def main(folder: Path) -> None:
    weights, repository, study = folder / "weights", folder / "repository", folder / "study"
    weights.mkdir(parents=True)
    shutil.copy(weights_path(SHIPPED, DETECTOR_NAME), weights)
    # On your own CTs: --data studies.csv --preset cpu, and vcf train all for a detector of your own.
    vcf("train", "member", "--members", "1", "--variant", "bilstm", "--preset", "tiny", "--out", weights)
    vcf("train", "threshold", "--preset", "tiny", "--out", weights)
    # `vcf export all` does these three steps, and makes the forms of reduced precision too.
    copy_python_models(repository)
    vcf("export", "onnx", "--weights", weights, "--out", repository)
    vcf("export", "config", "--out", repository)
    vcf("phantom", study, "--levels", "T8-L5", "--grades", "L1=3:wedge")
    with TritonServer(repository) as server, VcfClient(server.grpc_url) as client:
        findings = client.analyze(study)
    print(f"{len(findings.patches)} patches, score {findings.study_score:.3f} by {findings.model.hash[:12]}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))

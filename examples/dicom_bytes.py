# SPDX-License-Identifier: Apache-2.0
"""Send DICOM files as they are, with NVIDIA's own client alone: the server selects, checks and reads the series.

usage: python examples/dicom_bytes.py FOLDER [SERVER]
"""

import re
import sys
from pathlib import Path

import numpy as np
import tritonclient.grpc as triton

WANTED = ("study_score", "threshold", "patch_scores", "patch_boxes_mm", "patient_affine", "study_flags")


def main(folder: str, server: str = "127.0.0.1:8001") -> None:
    files = [path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    images = triton.InferInput("dicom_files", [len(files)], "BYTES")
    images.set_data_from_numpy(np.array(files, dtype=np.object_))
    wanted = [triton.InferRequestedOutput(name) for name in WANTED]
    with triton.InferenceServerClient(server) as client:
        try:
            answer = client.infer("vcf_dicom", [images], outputs=wanted, parameters={"age_policy": "warn"})
        except triton.InferenceServerException as error:
            refusal = re.search(r"\b[A-Z]+(?:_[A-Z]+)*: .*", error.message())  # docs/protocol.md, Errors
            sys.exit(refusal[0] if refusal else f"failed: {error.status()}")
    score, threshold, scores, boxes, affine, flags = map(answer.as_numpy, WANTED)
    print(f"score {score[0]:.2f}, threshold {threshold[0]:.2f}, flags {[flag.decode() for flag in flags]}")
    for patch_score, box in zip(scores, boxes.reshape(-1, 2, 3), strict=True):
        low, high = (affine @ [*corner, 1] for corner in box)  # mm from voxel (0, 0, 0) to patient LPS
        print(f"{patch_score:.2f} from {low[:3].round(1).tolist()} to {high[:3].round(1).tolist()} mm")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])

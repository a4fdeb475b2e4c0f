# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

for module in ("keras", "tritonclient", "onnxruntime", "openvino"):
    pytest.importorskip(module)

from vcf_contract.errors import SetupError  # noqa: E402
from vcf_export import runtimes  # noqa: E402
from vcf_export.config import CPU_BF16  # noqa: E402


def test_bfloat16_is_not_run_where_it_would_be_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: False)
    with pytest.raises(SetupError, match="no bfloat16 units"):
        runtimes.load(tmp_path, CPU_BF16)

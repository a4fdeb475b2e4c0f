# SPDX-License-Identifier: Apache-2.0
"""What the speed table says: work counted by hand, every form that is there, shares of the peak; no timing."""

from pathlib import Path

import pytest

for module in ("onnx", "onnxruntime", "openvino"):
    pytest.importorskip(module)

from vcf_contract.contract import PATCH_ENCODER, SPINAL_CORD_DETECTOR  # noqa: E402
from vcf_contract.spec import PATCH  # noqa: E402
from vcf_export import speed  # noqa: E402
from vcf_export.runtimes import has_bfloat16  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"


@pytest.fixture(scope="module")
def shipped() -> Path:
    if not (REPOSITORY / "patch_encoder" / "1" / "model.onnx").is_file():
        pytest.skip("the networks are not exported: vcf export onnx")
    return REPOSITORY


def test_work_of_the_encoder_is_that_of_six_convolutions_for_each_member_and_flip(shipped: Path) -> None:
    voxels = PATCH.grid[0] * PATCH.grid[1] * PATCH.grid[2]
    products = sum(
        27 * before * after * voxels // 8**block
        for block, pairs in enumerate([((1, 8), (8, 8)), ((8, 16), (16, 16)), ((16, 32), (32, 32))])
        for before, after in pairs
    )
    assert speed.gflop(shipped, PATCH_ENCODER) == pytest.approx(3 * 2 * 2 * products / 1e9)
    assert 0.1 < speed.gflop(shipped, SPINAL_CORD_DETECTOR) < 1


@pytest.mark.slow
def test_table(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "PATCHES", (1, 2))
    monkeypatch.setattr(speed, "SLICES", 1)
    monkeypatch.setattr(speed, "SGEMM_SIDE", 256)
    figures = speed.measure(shipped, rounds=1, threads=1)
    forms = {row["form"] for row in figures["table"] if row["network"] == "encoder"}
    assert {"onnxruntime f32", "openvino f32"} <= forms
    assert ("openvino bf16" in forms) == has_bfloat16()
    for row in figures["table"]:
        assert row["rows_per_s"] == pytest.approx(row["rows"] / row["ms"] * 1e3)
        if row["share_of_sgemm_peak"] is not None:
            assert row["share_of_sgemm_peak"] == pytest.approx(row["gflop_per_s"] / figures["sgemm_peak_gflop_per_s"])
    assert sum(layer["ms"] for layer in figures["encoder_layers"]) > 0
    text = speed.text(figures)
    assert "openvino f32" in text and "of peak" in text and "%" in text

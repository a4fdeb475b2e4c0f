# SPDX-License-Identifier: Apache-2.0
import pytest

from vcf_training import hardware
from vcf_training.hardware import BFLOAT16, FLOAT32, fitted
from vcf_training.presets import PRESETS


@pytest.fixture
def cpuinfo(tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(hardware, "CPUINFO", path)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512f avx512_bf16\n", BFLOAT16),
        ("flags\t\t: fpu avx2 amx_bf16 amx_tile\n", BFLOAT16),
        ("Features\t: fp asimd bf16\n", BFLOAT16),
        ("model name\t: a bf16 in a name is none\nflags\t\t: fpu avx avx2 fma\n", FLOAT32),
        (None, FLOAT32),
    ],
)
def test_bfloat16_where_the_processor_has_it(cpuinfo, text: str | None, expected: str) -> None:
    if text is not None:
        cpuinfo.write_text(text)
    assert fitted(PRESETS["cpu"]).member.dtype == expected


@pytest.mark.parametrize("name", ["paper", "tiny"])
def test_presets_in_float32_stay_as_they_are(cpuinfo, name: str) -> None:
    assert fitted(PRESETS[name]) is PRESETS[name]


def test_nothing_else_changes(cpuinfo) -> None:
    assert fitted(PRESETS["cpu"]).detector == PRESETS["cpu"].detector
    assert fitted(PRESETS["cpu"]).member.steps == PRESETS["cpu"].member.steps

# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf train`` that make no sense are named before anything is trained."""

import pytest

for module in ("keras", "tensorflow"):
    pytest.importorskip(module)

from vcf_cli import main  # noqa: E402
from vcf_cli.train import print_figures  # noqa: E402


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["member", "--steps", "0"], "--steps 0: at least 1 is needed"),
        (["threshold", "--overlap", "0.8"], "--overlap 0.8: a share from 0 to 0.75 is needed"),
        (["member", "--workers", "-2"], "--workers -2: at least 1 is needed"),
        (["all", "--variant", "paper"], "--variant belongs to `vcf train member`, not to `vcf train all`"),
        (["member", "--variant", "none"], "--variant none: one of "),
    ],
)
def test_wrong_usage_is_named(words: list[str], sentence: str, tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *words, "--out", str(tmp_path)]) == 64
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir()), "nothing was begun"


def test_figures_are_numbers_of_the_data_they_are_of(capsys: pytest.CaptureFixture[str]) -> None:
    print_figures("member a", {"synthetic": {"auc": 0.98765, "studies": 40, "note": "text"}, "own": None, "none": {}})
    assert capsys.readouterr().out == "member a (synthetic): auc 0.988, studies 40\n"

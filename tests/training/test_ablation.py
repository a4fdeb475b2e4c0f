# SPDX-License-Identifier: Apache-2.0
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from matplotlib.image import imread

from vcf_training import ablation
from vcf_training.architecture import FIGURE_3A, VARIANTS
from vcf_training.candidates import Outcome
from vcf_training.checkpoint import as_json
from vcf_training.patch_variants import check
from vcf_training.presets import PRESETS
from vcf_training.ranking import Answers
from vcf_training.studies import Studies
from vcf_training.train import Training

LABELS = np.arange(20) % 2


def test_compares_all_variants_and_those_of_the_paper_under_every_setting() -> None:
    cells = ablation.cells(PRESETS["cpu"].member, seed=0)
    assert {c.variant for c in cells if c.setting == ablation.SERVED} == set(VARIANTS)
    for setting in ablation.SETTINGS:
        assert {c.variant for c in cells if c.setting == setting} >= set(FIGURE_3A)
    assert len({c.candidate.name for c in cells}) == len(cells)
    assert len({json.dumps(as_json(asdict(c.candidate.preset))) for c in cells}) == len(cells)
    assert len({c.candidate.seed for c in cells}) == 1
    for cell in cells:
        check(cell.candidate.preset.patch)


def test_writes_picture_table_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With scores in place of trainings."""
    rng = np.random.default_rng(0)

    def scored(_: object, candidates: list, *__: object) -> list[Outcome]:
        nothing = Answers(np.zeros((1, 2, 20), np.float32), np.zeros((1, 2, 20), np.float32), np.arange(21))
        scores = [rng.normal(size=20) + LABELS for _ in candidates]
        numbered = enumerate(zip(candidates, scores, strict=True))
        return [Outcome(c, nothing, s, 0.5 + n / 50, 1, 0.1) for n, (c, s) in numbered]

    class Labelled(Studies):
        study_label = LABELS.astype(np.uint8)

        def __init__(self) -> None:
            pass

        def __len__(self) -> int:
            return len(LABELS)

    monkeypatch.setattr(ablation, "train_all", scored)
    monkeypatch.setattr(Training, "load_studies", lambda _: (Labelled(), Labelled()))
    found = ablation.ablation(Training(PRESETS["tiny"], tmp_path))
    rows = json.loads((tmp_path / "ablation.json").read_text())["rows"]
    assert rows == found["rows"]
    assert all(row["auc_interval"][0] < row["auc_interval"][1] for row in rows)
    lines = (tmp_path / "ablation.md").read_text().splitlines()
    assert len(lines) == 2 + len(rows)
    assert "| bilstm | as served |" in (tmp_path / "ablation.md").read_text()
    image = imread(tmp_path / "ablation.png")
    assert image.shape[1] > 1000
    assert image[..., :3].std() > 0.05

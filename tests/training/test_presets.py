# SPDX-License-Identifier: Apache-2.0
import pytest

pytest.importorskip("tensorflow")
from vcf_training import checkpoint
from vcf_training.presets import PRESETS


def test_settings_hold_the_whole_preset() -> None:
    settings = checkpoint.settings_of(PRESETS["paper"].member, 3, "d", member="b")
    assert settings["preset"]["augmentation"]["rotate_deg"] == 20
    assert (settings["seed"], settings["data"], settings["member"]) == (3, "d", "b")

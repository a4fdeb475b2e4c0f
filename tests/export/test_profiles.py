# SPDX-License-Identifier: Apache-2.0
from vcf_contract.contract import MAX_BATCH_PATCHES, NETWORKS, PATCH_ENCODER
from vcf_export.profiles import profiles

BY_NAME = {m.name: m for m in NETWORKS}
FEATURES = 24
"""Of all members under all flips in the repositories of this test."""


def test_profiles_reach_the_contracts_largest_batch() -> None:
    (encoder,) = profiles(PATCH_ENCODER, FEATURES).values()
    assert encoder.most == (MAX_BATCH_PATCHES, 32, 32, 32, 1)
    (detector,) = profiles(BY_NAME["spinal_cord_detector"], FEATURES).values()
    assert detector.most == (BY_NAME["spinal_cord_detector"].max_batch_size, 256, 256, 1)
    for profile in (encoder, detector):
        assert profile.least[0] == 1
        assert profile.least[0] < profile.best[0] < profile.most[0]


def test_head_profile_keeps_rows_and_patches_together() -> None:
    wanted = profiles(BY_NAME["sequence_head"], FEATURES)
    for which in ("least", "best", "most"):
        rows, location = (getattr(wanted[name], which) for name in ("features", "location"))
        assert rows == (*location, FEATURES)

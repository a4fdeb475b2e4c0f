# SPDX-License-Identifier: Apache-2.0
import pytest

from vcf_contract.errors import SetupError


def test_no_real_ct_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nibabel")
    from vcf_export import calibration

    monkeypatch.setattr(calibration, "load_real_spines", lambda *_, **__: [])
    with pytest.raises(SetupError, match=r"no real CT to calibrate int8 with: .*VCF_SHARED_DATA"):
        calibration.real_patches()

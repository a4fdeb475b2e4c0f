# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Development data (real CTs, malformed DICOM, a VerSe sample); no part of the product."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("VCF_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip("development data not found: set VCF_SHARED_DATA to its folder")
    return folder

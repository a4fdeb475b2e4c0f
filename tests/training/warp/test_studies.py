# SPDX-License-Identifier: Apache-2.0
import numpy as np

from tests.training.warp.conftest import PlainSpine
from training.views import Crop
from training.warp.studies import warped_studies


def test_studies_hold_what_was_asked_for(plain_spine: PlainSpine) -> None:
    patient = plain_spine.patient(np.where(plain_spine.labels > 0, 250, 40).astype(np.int16))
    whole = Crop(whole_share=1.0)
    for probability in (0.0, 1.0):
        studies = warped_studies(2, 2, patients=[patient], fracture_probability=probability, views=2, crop=whole)
        assert len(studies) == 4
        assert studies.study_label.tolist() == [int(probability)] * 4
        assert ((studies.study_grade > 0) == bool(probability)).all()
        assert studies.patches.max() > 60  # bone is in view
        assert all(name.startswith("warp-plain-2-") for name in studies.name)

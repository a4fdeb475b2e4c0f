# SPDX-License-Identifier: Apache-2.0
"""A server's answer as findings: positions in the patient's axes, and answers that do not hold together."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.clients.conftest import ANGLE, DZ
from vcf_client import Study
from vcf_client.answers import findings_of, known_by_server, known_here
from vcf_client.dicom.privacy import keyed_hash
from vcf_client.routes import Exchange
from vcf_contract import contract
from vcf_contract.errors import ServerFailed


def exchange(tensors: dict[str, NDArray[Any]], network_ms: float = 20.0) -> Exchange:
    return Exchange("volume", "vcf", "3", tensors, 1234, {"prepare": 1.0, "network": network_ms})


def test_positions_are_the_patients(study: Study, answer: dict[str, NDArray[Any]]) -> None:
    """The study is turned by two degrees about z and lies off the origin; worked out here without the affine."""
    found = findings_of(known_here(study), exchange(answer), {"read": 5.0})
    x, y = 52.5, 86.0
    turned = (
        11 + x * np.cos(ANGLE) - y * np.sin(ANGLE),
        -22 + x * np.sin(ANGLE) + y * np.cos(ANGLE),
        -333 + 10 * DZ,
    )
    np.testing.assert_allclose(found.centre_line_mm[10], turned, atol=1e-4)
    for patch, box in zip(found.patches, answer["patch_boxes_mm"], strict=True):
        low, high = np.array(patch.box_mm)
        assert (low < high).all()
        # The upright box about a turned one is wider by the sine of the angle, and as high.
        width, depth, height = box[3:] - box[:3]
        np.testing.assert_allclose(
            high - low,
            [
                width * np.cos(ANGLE) + depth * np.sin(ANGLE),
                depth * np.cos(ANGLE) + width * np.sin(ANGLE),
                height,
            ],
            atol=1e-3,
        )


def test_what_reader_and_server_say_stands_in_the_findings_once(study: Study, answer: dict[str, NDArray[Any]]) -> None:
    found = findings_of(known_here(study), exchange(answer), {"read": 5.0})
    assert found.flags == ("THICK_SLICES", "CANAL_INTERPOLATED")
    assert (found.series_id, found.selection) == ("k1a2b3", study.selection)
    assert (found.model.name, found.model.version, found.model.hash) == ("vcf", "3", "0f" * 32)
    assert (found.transport, found.bytes_sent) == ("volume", 1234)


def test_scores_are_the_shortest_decimals(study: Study, answer: dict[str, NDArray[Any]]) -> None:
    found = findings_of(known_here(study), exchange(answer), {})
    assert [patch.score for patch in found.patches] == [0.08, 0.125, 0.4, 0.75, 0.66]


def test_the_server_s_stages_are_taken_off_the_network(study: Study, answer: dict[str, NDArray[Any]]) -> None:
    server_ms = float(answer["stage_timings_ms"].sum())
    found = findings_of(known_here(study), exchange(answer), {"read": 5.0})
    assert list(found.timings_ms) == ["read", "prepare", "network", *contract.STAGES[-6:]]
    assert found.timings_ms["network"] == pytest.approx(20 - server_ms)
    assert findings_of(known_here(study), exchange(answer, 1.0), {}).timings_ms["network"] == 0


def test_a_study_that_the_server_read(answer: dict[str, NDArray[Any]]) -> None:
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = 1, 2, 3
    answer |= {
        "patient_affine": affine,
        "series_uid": np.array([b"1.2.3"], object),
        "study_flags": np.array([b"LOSSY"], object),
        "selection": np.array(["series 1 of 1 taken: Wirbelsäule".encode()], object),
    }
    known = known_by_server(exchange(answer))
    assert known.series_id == keyed_hash("1.2.3") and "1.2.3" not in known.series_id
    assert (known.flags, known.selection) == (("LOSSY",), ("series 1 of 1 taken: Wirbelsäule",))
    np.testing.assert_allclose(known.to_lps_mm(np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])), [[3, 5, 7], [1, 2, 3]])


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("study_score", np.array([np.nan], np.float32), "study_score .* not finite"),
        ("centre_line_mm", np.full((96, 3), np.inf, np.float32), "centre_line_mm .* not finite"),
        ("patch_scores", np.zeros(4, np.float32), "5 patch probabilities, 4 scores"),
        ("patch_boxes_mm", np.zeros((5, 4), np.float32), r"patch_boxes_mm .* shape \(5, 4\)"),
        ("stage_timings_ms", np.zeros(0, np.float32), "0 stage timings"),
        ("stage_timings_ms", np.zeros(9, np.float32), "9 stage timings, there are 7"),
    ],
)
def test_answers_that_do_not_hold_together(
    study: Study, answer: dict[str, NDArray[Any]], name: str, value: Any, sentence: str
) -> None:
    with pytest.raises(ServerFailed, match=sentence):
        findings_of(known_here(study), exchange(answer | {name: value}), {})


@pytest.mark.parametrize("name", [tensor.name for tensor in contract.VCF.outputs])
def test_a_tensor_that_is_missing_is_named(study: Study, answer: dict[str, NDArray[Any]], name: str) -> None:
    del answer[name]
    with pytest.raises(ServerFailed, match=f"no tensor {name}"):
        findings_of(known_here(study), exchange(answer), {})

# SPDX-License-Identifier: Apache-2.0
"""Forms fitted to a machine are read back with Triton's own schema; what is not changed is the committed form's."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from vcf_contract.contract import (
    AXIAL_SLICES,
    DICOM_VOLUME,
    ENSEMBLES,
    MODELS,
    MOST_ROWS,
    PATCH_ENCODER,
    SPINAL_CORD_DETECTOR,
    SPINE_PATCHES,
)
from vcf_contract.errors import SetupError
from vcf_export import config, tuning
from vcf_export.shapes import exported_shapes
from vcf_export.tuning import Tuning

FORMS = [form for form in config.FORMS if form != config.GPU]
SHAPES = exported_shapes(Path(__file__).resolve().parents[2] / "model_repository")


def parsed(texts):
    """As Triton reads them: what a form does not change is ``config.pbtxt``."""
    usual = config.generate(config.GPU, SHAPES)
    return {
        path.split("/")[0]: text_format.Parse(content, pb.ModelConfig()) for path, content in (usual | texts).items()
    }


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_changes_nothing_is_the_committed_one(form):
    assert parsed(tuning.generate("tuned", Tuning.of(form), SHAPES)) == parsed(config.generate(form, SHAPES))


@pytest.mark.parametrize("form", FORMS)
def test_only_what_was_asked_for_changes(form):
    asked = Tuning(form, preparation=6, encoders=3, threads=5, batch_delay_us=70)
    tuned = parsed(tuning.generate("tuned", asked, SHAPES))
    committed = parsed(config.generate(form, SHAPES))
    assert set(tuned) == {m.name for m in (*MODELS, *ENSEMBLES)}
    counts = {PATCH_ENCODER.name: 3, SPINE_PATCHES.name: 6, AXIAL_SLICES.name: 3, DICOM_VOLUME.name: 3}
    key = "intra_op_thread_count" if form == config.ONNXRUNTIME else "INFERENCE_NUM_THREADS"
    threaded = {PATCH_ENCODER.name, SPINAL_CORD_DETECTOR.name}
    for name, model in tuned.items():
        if name in counts:
            assert [group.count for group in model.instance_group] == [counts[name]]
        if name in threaded:
            assert model.parameters[key].string_value == "5"
        if name == PATCH_ENCODER.name:
            assert model.dynamic_batching.max_queue_delay_microseconds == 70
        for each in (model, committed[name]):
            if name in counts:
                each.ClearField("instance_group")
            if name in threaded:
                each.parameters.pop(key, None)
            if name == PATCH_ENCODER.name:  # merging makes the rows a batch
                for field in ("dynamic_batching", "max_batch_size", "input", "output", "model_warmup"):
                    each.ClearField(field)
                each.parameters.pop(MOST_ROWS, None)
        assert model == committed[name]


def test_one_preparation_leaves_one_instance_of_what_comes_before_it():
    tuned = parsed(tuning.generate("tuned", Tuning("cpu", 1, 1, 0, 0), SHAPES))
    assert tuned[AXIAL_SLICES.name].instance_group[0].count == 1


@pytest.mark.parametrize("name", ["cpu", "gpu", "", "../cpu", "Tuned", "-x", "a/b"])
def test_names_that_are_taken_or_are_none(name):
    with pytest.raises(ValueError, match="name of a tuned form"):
        tuning.generate(name, Tuning.of("cpu"), SHAPES)


@pytest.mark.parametrize(
    ("field", "value"), [("form", "gpu"), ("preparation", 0), ("encoders", 0), ("threads", -1), ("batch_delay_us", 1.5)]
)
def test_impossible_settings_are_named(field, value):
    settings = {"form": "cpu", "preparation": 1, "encoders": 1, "threads": 0, "batch_delay_us": 0, field: value}
    with pytest.raises(ValueError, match=field):
        Tuning(**settings)


def test_written_read_refreshed_removed(tmp_path):
    """A tuned form does not disturb the committed ones, comes back as it was, and follows the contract."""
    config.write(tmp_path)
    asked = Tuning("cpu-bf16", 4, 2, 1, 0)
    tuning.write(tmp_path, "tuned-night", asked)
    assert config.differing(tmp_path) == []
    assert tuning.present(tmp_path) == {"tuned-night": asked}
    assert tuning.differing(tmp_path) == []
    path = tmp_path / PATCH_ENCODER.name / "configs" / "tuned-night.pbtxt"
    fresh = path.read_text()
    path.write_text(fresh.replace("max_batch_size: 128", "max_batch_size: 64"))
    assert tuning.differing(tmp_path) == ["tuned-night"]
    assert tuning.refresh(tmp_path) == ["tuned-night"]
    assert path.read_text() == fresh
    tuning.remove(tmp_path, "tuned-night")
    assert tuning.present(tmp_path) == {}
    tuning.remove(tmp_path, "cpu")
    assert config.differing(tmp_path) == []


def test_a_form_that_does_not_say_how_it_was_tuned(tmp_path):
    (path,) = [p for p in tuning.write(tmp_path, "tuned", Tuning.of("cpu")) if PATCH_ENCODER.name in str(p)]
    path.write_text(path.read_text().replace('"encoders"', '"coders"'))
    with pytest.raises(SetupError, match=r"patch_encoder/configs/tuned\.pbtxt does not say"):
        tuning.present(tmp_path)


def test_without_a_delay_the_encoder_merges_nothing():
    alone = parsed(tuning.generate("tuned", Tuning("cpu", 2, 1, 0, None), SHAPES))
    merged = parsed(tuning.generate("tuned", Tuning("cpu", 2, 1, 0, 0), SHAPES))
    assert [form[PATCH_ENCODER.name].max_batch_size for form in (alone, merged)] == [0, PATCH_ENCODER.max_batch_size]
    assert [form[PATCH_ENCODER.name].HasField("dynamic_batching") for form in (alone, merged)] == [False, True]

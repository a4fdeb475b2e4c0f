# SPDX-License-Identifier: Apache-2.0
"""Forms fitted to a machine are read back with Triton's own schema; what is not changed is the committed form's."""

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from export import config, tuning
from export.tuning import Tuning
from vcf.contract import AXIAL_SLICES, DICOM_VOLUME, ENCODERS, ENSEMBLES, MODELS, SPINAL_CORD_DETECTOR, SPINE_PATCHES
from vcf.errors import SetupError

FORMS = [form for form in config.FORMS if form != config.GPU]


def parsed(texts):
    return {path.split("/")[0]: text_format.Parse(content, pb.ModelConfig()) for path, content in texts.items()}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_changes_nothing_is_the_committed_one(form):
    assert parsed(tuning.generate("tuned", Tuning.of(form))) == parsed(config.generate(form))


@pytest.mark.parametrize("form", FORMS)
def test_only_what_was_asked_for_changes(form):
    tuned = parsed(tuning.generate("tuned", Tuning(form, preparation=6, encoders=3, threads=5, batch_delay_us=70)))
    committed = parsed(config.generate(form))
    assert set(tuned) == {m.name for m in (*MODELS, *ENSEMBLES)}
    counts = {m.name: 3 for m in ENCODERS} | {SPINE_PATCHES.name: 6, AXIAL_SLICES.name: 3, DICOM_VOLUME.name: 3}
    key = "intra_op_thread_count" if form == config.ONNXRUNTIME else "INFERENCE_NUM_THREADS"
    threaded = {m.name for m in (*ENCODERS, SPINAL_CORD_DETECTOR)}
    for name, model in tuned.items():
        if name in counts:
            assert [group.count for group in model.instance_group] == [counts[name]]
        if name in threaded:
            assert model.parameters[key].string_value == "5"
        if name in {m.name for m in ENCODERS}:
            assert model.dynamic_batching.max_queue_delay_microseconds == 70
        for each in (model, committed[name]):
            if name in counts:
                each.ClearField("instance_group")
            if name in threaded:
                each.parameters.pop(key, None)
            if name in {m.name for m in ENCODERS}:
                each.ClearField("dynamic_batching")
        assert model == committed[name]


def test_one_preparation_leaves_one_instance_of_what_comes_before_it():
    tuned = parsed(tuning.generate("tuned", Tuning("cpu", 1, 1, 0, 0)))
    assert tuned[AXIAL_SLICES.name].instance_group[0].count == 1


@pytest.mark.parametrize("name", ["cpu", "gpu", "", "../cpu", "Tuned", "-x", "a/b"])
def test_names_that_are_taken_or_are_none(name):
    with pytest.raises(ValueError, match="name of a tuned form"):
        tuning.generate(name, Tuning.of("cpu"))


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
    path = tmp_path / ENCODERS[0].name / "configs" / "tuned-night.pbtxt"
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
    (path,) = [p for p in tuning.write(tmp_path, "tuned", Tuning.of("cpu")) if ENCODERS[0].name in str(p)]
    path.write_text(path.read_text().replace('"encoders"', '"coders"'))
    with pytest.raises(SetupError, match=r"patch_encoder_a/configs/tuned\.pbtxt does not say"):
        tuning.present(tmp_path)


def test_without_a_delay_encoders_have_no_batcher():
    alone = parsed(tuning.generate("tuned", Tuning("cpu", 2, 1, 0, None)))
    merged = parsed(tuning.generate("tuned", Tuning("cpu", 2, 1, 0, 0)))
    for model in ENCODERS:
        assert not alone[model.name].HasField("dynamic_batching")
        assert merged[model.name].HasField("dynamic_batching")

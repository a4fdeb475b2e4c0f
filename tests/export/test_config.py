# SPDX-License-Identifier: Apache-2.0
"""The generated configurations against protobuf, the contract, and Triton's documented field values."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from vcf_contract.contract import (
    ADMISSION,
    AXIAL_SLICES,
    CANAL_GRID,
    CENTRE_LINE,
    CENTRE_LINE_MM,
    CROP,
    DICOM_VOLUME,
    ENSEMBLES,
    MODELS,
    MOST_ROUTINE,
    MOST_ROWS,
    MOST_URGENT,
    NETWORKS,
    PATCH_ENCODER,
    ROWS_A_PASS,
    SEQUENCE_HEAD,
    SLICE_INDICES,
    SPACING_MM,
    SPINAL_CORD_DETECTOR,
    SPINE_PATCHES,
    VOLUME,
    VOLUME_SHAPE,
)
from vcf_contract.spec import MAX_PATCHES
from vcf_contract.version import DOCUMENT_PARAMETER, VERSION, VERSION_PARAMETER
from vcf_export import contract_document
from vcf_export.config import FORMS, GPU, differing, generate, warmup_data, write
from vcf_export.shapes import exported_shapes
from vcf_preprocess import admission, centre_line, slices, spine

ROOT = Path(__file__).resolve().parents[2]
OPENVINO_PARAMETERS = {  # README of triton-inference-server/openvino_backend, "Parameters"
    "PERFORMANCE_HINT": {"LATENCY", "THROUGHPUT"},
    "INFERENCE_NUM_THREADS": None,
    "COMPILATION_NUM_THREADS": None,
    "HINT_BF16": {"YES"},
    "NUM_STREAMS": None,
    "SKIP_OV_DYNAMIC_BATCHSIZE": {"YES"},
    "ENABLE_BATCH_PADDING": {"YES"},
    "RESHAPE_IO_LAYERS": {"YES"},
}
ONNXRUNTIME_PARAMETERS = {  # README of triton-inference-server/onnxruntime_backend, "Model Config Options"
    "intra_op_thread_count": None,
    "inter_op_thread_count": None,
    "execution_mode": {"0", "1"},
    "enable_mem_arena": {"0", "1"},
    "enable_mem_pattern": {"0", "1"},
}
OWN_PARAMETERS = {  # of the backends of this repository; Triton's own ignore them
    ROWS_A_PASS: {"16"},
    VERSION_PARAMETER: {VERSION},
    DOCUMENT_PARAMETER: {contract_document.one_line()},
    MOST_ROWS: {str(MAX_PATCHES)},
}
ADMISSION_PARAMETERS = {MOST_ROUTINE: None, MOST_URGENT: None}
ITEM_SIZE = {pb.TYPE_INT16: 2, pb.TYPE_INT32: 4, pb.TYPE_FP32: 4, pb.TYPE_INT64: 8}


SHAPES = exported_shapes(ROOT / "model_repository")


def parsed(form):
    """As Triton reads them: what a form does not change is ``config.pbtxt``."""
    return {
        path.split("/")[0]: text_format.Parse(content, pb.ModelConfig())
        for path, content in (generate(GPU, SHAPES) | generate(form, SHAPES)).items()
    }


CONFIGS = {form: parsed(form) for form in FORMS}
EVERY = [(form, name) for form in FORMS for name in CONFIGS[form]]


def described(tensors, model=None):
    """Name, type and dims as in a configuration, from the contract and what the export says of the weights."""
    return [
        (
            t.name,
            "TYPE_STRING" if t.dtype == "BYTES" else f"TYPE_{t.dtype}",
            list(SHAPES.get((model, t.name), t.shape)),
        )
        for t in tensors
    ]


def configured(entries):
    return [(e.name, pb.DataType.Name(e.data_type), list(e.dims)) for e in entries]


def test_committed_files_are_the_generated_ones(tmp_path):
    """After a change of the contract: python -m vcf_export.config"""
    for network in NETWORKS:
        folder = tmp_path / network.name / "1"
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "model_repository" / network.name / "1" / "passport.json", folder)
    for path in write(tmp_path):
        committed = ROOT / "model_repository" / path.relative_to(tmp_path)
        assert committed.read_bytes() == path.read_bytes(), committed.relative_to(ROOT)
    assert differing(ROOT / "model_repository") == []


def test_a_form_is_written_only_where_it_changes_something():
    usual = generate(GPU, SHAPES)
    assert set(usual) == {f"{m.name}/config.pbtxt" for m in (*MODELS, *ENSEMBLES)}
    for form in FORMS[1:]:
        for path, content in generate(form, SHAPES).items():
            assert content != usual[f"{path.split('/')[0]}/config.pbtxt"]
        assert not any(f"{m.name}/configs/{form}.pbtxt" in generate(form, SHAPES) for m in ENSEMBLES)


def test_a_configuration_that_says_nothing_new_is_named_and_goes(tmp_path):
    write(tmp_path)
    extra = tmp_path / "vcf" / "configs" / "cpu.pbtxt"
    extra.parent.mkdir()
    extra.write_text((tmp_path / "vcf" / "config.pbtxt").read_text())
    assert differing(tmp_path) == [
        "vcf/configs/cpu.pbtxt says what config.pbtxt says: remove it, or run `vcf export config`"
    ]
    write(tmp_path)
    assert differing(tmp_path) == [] and not extra.parent.exists()


def test_dimensions_that_depend_on_the_weights_are_those_of_the_passports(tmp_path):
    """Before anything is exported nothing is known of them."""
    assert exported_shapes(tmp_path) == {}
    free = text_format.Parse(generate(GPU, {})["sequence_head/config.pbtxt"], pb.ModelConfig())
    assert [list(entry.dims) for entry in free.output] == [[-1, -1, -1], [-1, -1]]
    known = CONFIGS[GPU][SEQUENCE_HEAD.name]
    members, flips, k = known.output[0].dims
    assert (members, flips, k) == (3, 2, -1) and list(known.input[0].dims) == [-1, 3 * 2 * 2048]
    assert list(CONFIGS[GPU][PATCH_ENCODER.name].output[0].dims) == [3 * 2 * 2048]


def test_same_text_every_time():
    assert all(generate(form, SHAPES) == generate(form, SHAPES) for form in FORMS)


@pytest.mark.parametrize("form", ["tpu", "", "GPU"])
def test_unknown_form(form):
    with pytest.raises(ValueError, match="form must be one of gpu, cpu, cpu-bf16, cpu-int8, onnxruntime"):
        generate(form, SHAPES)


@pytest.mark.parametrize("form", FORMS)
def test_every_model_has_one(form):
    assert set(CONFIGS[form]) == {m.name for m in (*MODELS, *ENSEMBLES)}
    assert all(name == config.name for name, config in CONFIGS[form].items())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", [*MODELS, *ENSEMBLES], ids=lambda m: m.name)
def test_tensors_are_the_contracts(form, model):
    config = CONFIGS[form][model.name]
    inputs, outputs = described(model.inputs, model.name), described(model.outputs, model.name)
    if merges(form, model):
        assert config.max_batch_size == getattr(model, "max_batch_size", 0)
    else:  # the rows are a dimension as any other
        assert config.max_batch_size == 0
        inputs, outputs = ([(*t[:-1], [-1, *t[-1]]) for t in tensors] for tensors in (inputs, outputs))
    assert configured(config.input) == inputs
    assert configured(config.output) == outputs


@pytest.mark.parametrize("form", FORMS)
def test_gpu_serves_plans_and_cpu_serves_onnx(form):
    for model in NETWORKS:
        config = CONFIGS[form][model.name]
        kind = pb.ModelInstanceGroup.KIND_GPU if form == "gpu" else pb.ModelInstanceGroup.KIND_CPU
        assert [group.kind for group in config.instance_group] == [kind]
        int8 = form == "cpu-int8" and model is PATCH_ENCODER
        file_name = "model.plan" if form == "gpu" else "model.int8.xml" if int8 else "model.onnx"
        assert config.default_model_filename == file_name
        if form == "gpu":
            assert config.backend == "tensorrt"
        elif form == "onnxruntime" or model is SEQUENCE_HEAD:
            assert config.backend == "onnxruntime"
        else:
            assert config.backend == "openvino"


def test_reduced_precision_is_asked_for_by_name_and_for_the_encoder_alone():
    """Nothing that changes scores is a default: other forms differ from ``cpu`` in no such field."""
    for form in FORMS:
        hinted = {name for name, config in CONFIGS[form].items() if "HINT_BF16" in config.parameters}
        assert hinted == ({PATCH_ENCODER.name} if form == "cpu-bf16" else set())
    for form, changed in (("cpu-bf16", "parameters"), ("cpu-int8", "default_model_filename")):
        for name, config in CONFIGS[form].items():
            pair = [pb.ModelConfig.FromString(c.SerializeToString()) for c in (config, CONFIGS["cpu"][name])]
            if name == PATCH_ENCODER.name:
                assert getattr(pair[0], changed) != getattr(pair[1], changed)
                for each in pair:
                    each.ClearField(changed)
            assert pair[0] == pair[1]


def test_hand_edited_config_is_named_with_its_line(tmp_path):
    write(tmp_path)
    assert differing(tmp_path) == []
    path = tmp_path / "patch_encoder" / "configs" / "cpu.pbtxt"
    path.write_text(path.read_text().replace("max_batch_size: ", "max_batch_size: 1"))
    (said,) = differing(tmp_path)
    assert said.startswith("patch_encoder/configs/cpu.pbtxt line ")
    assert "says 'max_batch_size: 1" in said and said.endswith("then run `vcf export config`")
    path.unlink()
    assert differing(tmp_path) == ["patch_encoder/configs/cpu.pbtxt is missing: run `vcf export config`"]


@pytest.mark.parametrize("form", FORMS)
def test_python_models_run_on_the_cpu(form):
    for model in MODELS:
        if not model.network:
            config = CONFIGS[form][model.name]
            assert config.backend == "python"
            assert [group.kind for group in config.instance_group] == [pb.ModelInstanceGroup.KIND_CPU]


@pytest.mark.parametrize(("form", "name"), EVERY)
def test_parameters_are_documented_ones(form, name):
    """Triton's own backends ignore what they do not know: a typing error would go unnoticed there."""
    config = CONFIGS[form][name]
    official = {"openvino": OPENVINO_PARAMETERS, "onnxruntime": ONNXRUNTIME_PARAMETERS}.get(config.backend, {})
    documented = official | (ADMISSION_PARAMETERS if name == ADMISSION.name else OWN_PARAMETERS)
    for key, value in config.parameters.items():
        assert key in documented
        accepted = documented[key]
        assert value.string_value.isdecimal() if accepted is None else value.string_value in accepted


@pytest.mark.parametrize("form", FORMS)
def test_detector_and_encoder_take_few_rows_at_a_time_on_a_cpu(form):
    for name, config in CONFIGS[form].items():
        convolves = name in (SPINAL_CORD_DETECTOR.name, PATCH_ENCODER.name)
        assert (ROWS_A_PASS in config.parameters) == (convolves and form != "gpu"), name


def merges(form, model):
    return form == GPU or model is not PATCH_ENCODER


@pytest.mark.parametrize("form", FORMS)
def test_networks_that_batch_wait_for_other_studies_as_the_contract_says(form):
    for model in MODELS:
        config = CONFIGS[form][model.name]
        assert config.dynamic_batching.max_queue_delay_microseconds == (
            model.batch_delay_us if merges(form, model) else 0
        )
    assert PATCH_ENCODER.batch_delay_us == 1000


@pytest.mark.parametrize("form", FORMS)
def test_a_model_of_one_instance_is_given_work_before_it_is_idle(form):
    """Triton does so with no priorities, timeouts and bound alone, and else misses the moment at which it is idle."""
    for model in MODELS:
        config = CONFIGS[form][model.name]
        batching = config.dynamic_batching
        assert not batching.priority_queue_policy
        policy = batching.default_queue_policy
        assert not (policy.timeout_action or policy.allow_timeout_override or policy.default_timeout_microseconds)
        if model in (AXIAL_SLICES, DICOM_VOLUME, SPINE_PATCHES):
            assert (batching.priority_levels, batching.default_priority_level) == (2, 2)
        else:
            assert (batching.priority_levels, policy.max_queue_size) == (0, 0), model.name
        assert config.HasField("dynamic_batching") == bool(config.max_batch_size or batching.priority_levels)


@pytest.mark.parametrize("form", FORMS)
def test_queues_that_are_bounded_hold_all_that_are_admitted_and_are_never_inside_an_ensemble(form):
    admitted = sum(int(p.string_value) for p in CONFIGS[form][ADMISSION.name].parameters.values())
    bounded = {
        model.name: CONFIGS[form][model.name].dynamic_batching.default_queue_policy.max_queue_size for model in MODELS
    }
    assert {name: size for name, size in bounded.items() if size} == {
        AXIAL_SLICES.name: admitted,
        DICOM_VOLUME.name: admitted,
    }
    inside = {step.model for entry in ENSEMBLES for step in entry.steps[1:]}
    assert not inside & {AXIAL_SLICES.name, DICOM_VOLUME.name}


@pytest.mark.parametrize("form", FORMS)
def test_the_encoder_merges_studies_on_a_gpu_alone(form):
    assert (CONFIGS[form][PATCH_ENCODER.name].max_batch_size > 0) == (form == GPU)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", [m for m in MODELS if m.warms_up], ids=lambda m: m.name)
def test_every_model_warms_up_with_tensors_it_accepts(form, model):
    config = CONFIGS[form][model.name]
    data = warmup_data()
    assert len(config.model_warmup) == 1
    sample = config.model_warmup[0]
    assert 1 <= sample.batch_size <= max(1, model.max_batch_size)  # 0 would be skipped without a word
    assert sample.inputs.keys() == {t.name for t in model.inputs}
    for tensor in config.input:
        warm = sample.inputs[tensor.name]
        assert warm.data_type == tensor.data_type
        assert len(warm.dims) == len(tensor.dims)
        assert all(there in (-1, here) and here > 0 for here, there in zip(warm.dims, tensor.dims, strict=True))
        if warm.input_data_file:
            size = ITEM_SIZE[warm.data_type] * int(np.prod(warm.dims))
            assert len(data[f"{model.name}/warmup/{warm.input_data_file}"]) == size
        else:
            assert warm.zero_data


@pytest.mark.parametrize("form", FORMS)
def test_only_what_zeros_are_nothing_to_does_not_warm_up(form):
    cold = [m.name for m in MODELS if not CONFIGS[form][m.name].model_warmup]
    assert cold == [ADMISSION.name, DICOM_VOLUME.name]


def test_warmup_study_is_one_that_the_preparation_accepts():
    """Triton does not load a model whose warm-up is refused."""
    data = warmup_data()

    def tensor(model, tensor, dtype):
        return np.frombuffer(data[f"{model.name}/warmup/{tensor.name}"], dtype)

    for model in (CENTRE_LINE, SPINE_PATCHES):
        assert tensor(model, SPACING_MM, "<f4").tolist() == tensor(AXIAL_SLICES, SPACING_MM, "<f4").tolist()
    spacing = tuple(tensor(AXIAL_SLICES, SPACING_MM, "<f4").tolist())
    shape = tuple(CONFIGS["cpu"][AXIAL_SLICES.name].model_warmup[0].inputs[VOLUME.name].dims)
    assert tuple(CONFIGS["cpu"][SPINE_PATCHES.name].model_warmup[0].inputs[CROP.name].dims) == shape
    assert tuple(tensor(CENTRE_LINE, VOLUME_SHAPE, "<i4")) == tuple(tensor(SPINE_PATCHES, VOLUME_SHAPE, "<i4")) == shape
    assert admission.check_shape(shape, np.array(spacing)) == spacing
    indices, grid = tensor(CENTRE_LINE, SLICE_INDICES, "<i4"), tensor(CENTRE_LINE, CANAL_GRID, "<f4")
    assert slices.pick(shape[0], spacing[0]).tolist() == indices.tolist()
    line = spine.locate(shape, spacing, indices, grid.reshape(-1, *CANAL_GRID.shape[1:]))
    assert len(line.points_mm) == shape[0]
    np.testing.assert_allclose(line.points_mm[:, :2], (shape[1] - 1) / 2 * spacing[1], atol=13)
    sent = tensor(SPINE_PATCHES, CENTRE_LINE_MM, "<f4").reshape(-1, 3)
    found = spine.reconstruct(np.zeros(shape, np.int16), spacing, centre_line.received(sent, shape, spacing))
    assert len(found.location) >= 2


@pytest.mark.parametrize("entry", ENSEMBLES, ids=lambda d: d.name)
@pytest.mark.parametrize("form", FORMS)
def test_ensemble_wiring(form, entry):
    """Every tensor of a step comes from the request or an earlier step, with type and shape; nothing is made twice or
    in vain."""
    ensemble = CONFIGS[form][entry.name]
    assert ensemble.platform == "ensemble"
    known = {e.name: (e.data_type, list(e.dims)) for e in ensemble.input}
    used = {e.name for e in ensemble.output}
    for step in ensemble.ensemble_scheduling.step:
        model = CONFIGS[form][step.model_name]
        batch = [-1] if model.max_batch_size else []
        inputs, outputs = {e.name: e for e in model.input}, {e.name: e for e in model.output}
        assert {e.name for e in model.input if not e.optional} <= set(step.input_map) <= set(inputs)
        assert set(step.output_map) <= set(outputs)
        for own, outside in step.input_map.items():
            dims = batch + list(inputs[own].dims)
            data_type, known_dims = known[outside]
            assert data_type == inputs[own].data_type
            assert len(known_dims) == len(dims)
            assert all(-1 in (want, got) or want == got for want, got in zip(dims, known_dims, strict=True))
            used.add(outside)
        for own, outside in step.output_map.items():
            assert outside not in known
            known[outside] = (outputs[own].data_type, batch + list(outputs[own].dims))
    for entry in ensemble.output:
        assert known[entry.name] == (entry.data_type, list(entry.dims))
    assert used == set(known)  # Triton does not load an ensemble with a tensor that nobody needs


def test_every_model_serves_some_entry_model_but_the_one_that_is_asked_before():
    serving = {step.model for entry in ENSEMBLES for step in entry.steps}
    assert serving == {m.name for m in MODELS} - {ADMISSION.name}


@pytest.mark.parametrize("entry", ENSEMBLES, ids=lambda d: d.name)
def test_ensemble_has_the_version_folder_that_triton_needs(entry):
    assert (ROOT / "model_repository" / entry.name / "1").is_dir()

# SPDX-License-Identifier: Apache-2.0
"""The description of the models holds together: every wire has a source, and both ends of it are alike."""

import pytest

from vcf_contract import contract
from vcf_contract.contract import ENSEMBLES, MAX_BATCH_PATCHES, MEMBER_MODELS, MODELS, NETWORKS, Ensemble, Model, Tensor
from vcf_contract.spec import MAX_PATCHES

BY_NAME = {model.name: model for model in MODELS}
TRITON_TYPES = {"FP32", "FP64", "INT16", "INT32", "INT64", "BYTES"}


def whole(model: Model, tensor: Tensor) -> tuple[int, ...]:
    """The shape with the batch dimension, as it travels between steps."""
    return (-1, *tensor.shape) if model.max_batch_size else tensor.shape


@pytest.mark.parametrize("entry", ENSEMBLES, ids=lambda entry: entry.name)
def test_every_input_of_a_step_was_made_before_with_the_same_type_and_shape(entry: Ensemble) -> None:
    made = {tensor.name: (tensor.dtype, tensor.shape) for tensor in entry.inputs}
    for step in entry.steps:
        model = BY_NAME[step.model]
        inputs = {tensor.name: tensor for tensor in model.inputs}
        for own, outside in step.inputs.items():
            assert made[outside] == (inputs[own].dtype, whole(model, inputs[own])), f"{step.model}.{own}"
        unwired = [tensor for tensor in model.inputs if tensor.name not in step.inputs]
        assert all(tensor.optional for tensor in unwired), f"{step.model} lacks {unwired}"
        outputs = {tensor.name: tensor for tensor in model.outputs}
        for own, outside in step.outputs.items():
            assert outside not in made, f"{outside} is made twice"
            made[outside] = (outputs[own].dtype, whole(model, outputs[own]))
    for tensor in entry.outputs:
        assert made[tensor.name] == (tensor.dtype, tensor.shape)


@pytest.mark.parametrize("entry", ENSEMBLES, ids=lambda entry: entry.name)
def test_nothing_is_sent_that_no_step_takes(entry: Ensemble) -> None:
    taken = {outside for step in entry.steps for outside in step.inputs.values()}
    assert {tensor.name for tensor in entry.inputs} <= taken


@pytest.mark.parametrize("described", [*MODELS, *ENSEMBLES], ids=lambda one: one.name)
def test_tensors_of_a_model_have_names_types_and_meanings(described: Model | Ensemble) -> None:
    for tensors in (described.inputs, described.outputs):
        assert len({tensor.name for tensor in tensors}) == len(tensors) > 0
        for tensor in tensors:
            assert tensor.dtype in TRITON_TYPES and tensor.meaning and tensor.name.isidentifier()
    assert described.meaning


def test_names_are_told_apart() -> None:
    names = [one.name for one in (*MODELS, *ENSEMBLES)]
    assert len(set(names)) == len(names)
    assert not any(MEMBER_MODELS.search(name) for name in names)


@pytest.mark.parametrize(
    ("text", "old"),
    [
        ("patch_encoder_a", True),
        ("model 'sequence_head_c' is not ready", True),
        ("patch_encoder", False),
        ("patch_encoder_ab", False),
        ("my_patch_encoder_a", False),
    ],
)
def test_repositories_of_before_are_known_by_their_models(text: str, old: bool) -> None:
    assert bool(MEMBER_MODELS.search(text)) is old


def test_the_networks_are_the_three_that_are_trained() -> None:
    assert [network.name for network in NETWORKS] == ["spinal_cord_detector", "patch_encoder", "sequence_head"]
    assert MAX_BATCH_PATCHES == BY_NAME["patch_encoder"].max_batch_size >= MAX_PATCHES


def test_a_tensor_seen_by_another_model_differs_in_its_shape_alone() -> None:
    seen = contract.PATCHES.with_shape(1, 2)
    assert seen.shape == (1, 2)
    assert (seen.name, seen.dtype, seen.meaning) == (
        contract.PATCHES.name,
        contract.PATCHES.dtype,
        contract.PATCHES.meaning,
    )
    assert contract.PATCHES.shape == (-1, 32, 32, 32, 1)


def test_every_answer_says_how_long_each_stage_took() -> None:
    """The marks of the last step are one fewer than the stages that can come before it, and it adds its own."""
    for entry in ENSEMBLES:
        if entry is not contract.VCF_SCOUT:
            assert contract.STAGE_TIMINGS_MS in entry.outputs
    assert contract.STAGES[-1] == "fracture_findings" and len(set(contract.STAGES)) == len(contract.STAGES)

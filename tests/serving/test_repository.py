# SPDX-License-Identifier: Apache-2.0
"""A repository that cannot be served is refused before a server is started."""

import pytest

from vcf_contract.errors import SetupError
from vcf_server.repository import check

BACKENDS = ("python", "openvino")


@pytest.fixture
def repository(tmp_path):
    """A network, a Python model and an ensemble."""
    add(tmp_path, "network", 'backend: "openvino"\ndefault_model_filename: "model.onnx"\n', "1/model.onnx")
    add(tmp_path, "step", 'backend: "python"\n', "1/model.py")
    add(tmp_path, "all", 'platform: "ensemble"\n', "1/.gitkeep")
    return tmp_path


def add(repository, name, config, *files, config_path="configs/cpu.pbtxt"):
    for path, content in ((config_path, config), *((file, "") for file in files)):
        target = repository / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)


def test_complete(repository):
    (repository / ".git").mkdir()
    assert check(repository, "cpu", BACKENDS) == ["all", "network", "step"]


def test_default_configuration_stands_in_for_a_missing_one(repository):
    add(repository, "other", 'backend: "python"\n', "1/model.py", config_path="config.pbtxt")
    assert "other" in check(repository, "cpu", BACKENDS)


def test_configuration_that_no_model_has(repository):
    with pytest.raises(SetupError, match=r"no configuration 'cpux' .*; there are cpu$"):
        check(repository, "cpux", BACKENDS)


def test_missing_or_empty_repository(tmp_path):
    with pytest.raises(SetupError, match=r"no model repository at .*nowhere"):
        check(tmp_path / "nowhere", "cpu", BACKENDS)
    with pytest.raises(SetupError, match="holds no model"):
        check(tmp_path, "cpu", BACKENDS)


@pytest.mark.parametrize("name", ["patch_encoder_a", "sequence_head_c"])
def test_models_of_single_members_are_of_another_time(repository, name):
    """What to do is one sentence, whatever else such a repository lacks."""
    (repository / name).mkdir()
    with pytest.raises(SetupError) as refused:
        check(repository, "cpu", BACKENDS)
    assert str(refused.value) == (
        f"the model repository {repository} cannot be served, it has a model for each member, from before one model "
        "held them all: make it anew with `vcf export all`"
    )


@pytest.mark.parametrize("name", ["patch_encoder", "sequence_head", "my_patch_encoder_b", "sequence_head_ab"])
def test_models_of_other_names_are_not_taken_for_those(repository, name):
    add(repository, name, 'backend: "python"\n', "1/model.py")
    assert name in check(repository, "cpu", BACKENDS)


def test_network_not_exported(repository):
    (repository / "network/1/model.onnx").unlink()
    with pytest.raises(SetupError, match=r"not exported.*network/1/model\.onnx: run `vcf export onnx --out /"):
        check(repository, "cpu", BACKENDS)


def test_network_without_a_version(repository):
    (repository / "network/1/model.onnx").unlink()
    (repository / "network/1").rmdir()
    with pytest.raises(SetupError, match=r"not exported.*network/1"):
        check(repository, "cpu", BACKENDS)


def test_model_without_the_configuration_that_others_have(repository):
    add(repository, "other", 'backend: "python"\n', "1/model.py", config_path="configs/gpu.pbtxt")
    with pytest.raises(SetupError, match=r"'all' has neither configs/gpu\.pbtxt nor config\.pbtxt"):
        check(repository, "gpu", BACKENDS)


def test_gpu_form_is_not_for_this_server(repository):
    add(repository, "network", 'backend: "tensorrt"\n', "1/model.plan", config_path="config.pbtxt")
    for name in ("step", "all"):
        add(repository, name, 'backend: "python"\n', config_path="config.pbtxt")
    with pytest.raises(SetupError, match=r"'tensorrt'.*NVIDIA's Triton container.*--config cpu"):
        check(repository, "gpu", BACKENDS)

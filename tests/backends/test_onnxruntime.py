# SPDX-License-Identifier: Apache-2.0
"""Parameters of Triton's ONNX Runtime backend, as the session reports them."""

import os

import numpy as np
import pytest

from vcf_runtime.runtime_model import ConfigError


@pytest.fixture
def backend():
    return "onnxruntime"


def options(model):
    return model.session.get_session_options()


def test_defaults_are_the_runtimes(kit):
    ort = kit.module.onnxruntime
    found = options(kit.load())
    assert found.intra_op_num_threads == 0
    assert found.execution_mode == ort.ExecutionMode.ORT_SEQUENTIAL
    assert found.graph_optimization_level == ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    assert found.enable_cpu_mem_arena and found.enable_mem_pattern


def test_parameters(kit):
    model = kit.load(
        {
            "intra_op_thread_count": "1",
            "inter_op_thread_count": "2",
            "execution_mode": "1",
            "enable_mem_arena": "0",
            "enable_mem_pattern": "false",
        }
    )
    found = options(model)
    assert (found.intra_op_num_threads, found.inter_op_num_threads) == (1, 2)
    assert found.execution_mode == kit.module.onnxruntime.ExecutionMode.ORT_PARALLEL
    assert not found.enable_cpu_mem_arena and not found.enable_mem_pattern


@pytest.mark.parametrize(
    ("level", "name"),
    [(-1, "ORT_ENABLE_BASIC"), (0, "ORT_ENABLE_ALL"), (1, "ORT_ENABLE_EXTENDED"), (2, "ORT_DISABLE_ALL")],
)
def test_graph_level(kit, level, name):
    model = kit.load(more=f"optimization {{ graph {{ level: {level} }} }}")
    assert options(model).graph_optimization_level.name == name


def test_arena_shrinkage_and_shared_sessions_are_taken(kit):
    model = kit.load({"memory.enable_memory_arena_shrinkage": "cpu:0", "share_session_between_instances": "true"})
    (response,) = model.execute([kit.request([[1, 2, 3]])])
    np.testing.assert_allclose(response.arrays()["y"], kit.expected([[1, 2, 3]]), rtol=1e-6)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("intra_op_thread_count", "two", "must be a number, 0 or more, found 'two'"),
        ("execution_mode", "2", "must be 0 or 1, found 2"),
        ("enable_mem_arena", "yes", "must be 0 or 1, found 'yes'"),
        ("gpu_mem_limit", "1000", "is for the CUDA provider, and this backend runs on the CPU"),
    ],
)
def test_values_that_are_refused(kit, key, value, text):
    with pytest.raises(ConfigError, match=f"the parameter '{key}' {text}"):
        kit.load({key: value})


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ("optimization { graph { level: 9 } }", r"level must be one of \[-1, 0, 1, 2\], found 9"),
        (
            'optimization { execution_accelerators { gpu_execution_accelerator { name: "tensorrt" } } }',
            "execution_accelerators is set, and this backend has the CPU provider only",
        ),
    ],
)
def test_optimization_that_is_refused(kit, more, text):
    with pytest.raises(ConfigError, match=text):
        kit.load(more=more)


def test_no_telemetry(kit):
    kit.load()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"

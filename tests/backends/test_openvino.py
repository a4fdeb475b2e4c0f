# SPDX-License-Identifier: Apache-2.0
"""Parameters of Triton's OpenVINO backend, as OpenVINO itself reports them after compilation."""

import sys

import numpy as np
import pytest

from vcf_runtime.runtime_model import ConfigError


@pytest.fixture
def backend():
    return "openvino"


def compiled(model):
    return model.request.get_compiled_model()


def test_precision_is_float32_unless_asked_otherwise(kit):
    """On CPUs with bfloat16 units OpenVINO's own default would lose two digits."""
    assert compiled(kit.load()).get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"


def test_bfloat16_on_request(kit):
    openvino = pytest.importorskip("openvino")
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has no bfloat16 units")
    model = kit.load({"HINT_BF16": "yes"})
    assert compiled(model).get_property("INFERENCE_PRECISION_HINT").get_type_name() == "bf16"


@pytest.mark.parametrize(
    ("key", "value", "reported"),
    [("INFERENCE_NUM_THREADS", "1", 1), ("NUM_STREAMS", "1", 1), ("PERFORMANCE_HINT", "throughput", "THROUGHPUT")],
)
def test_properties(kit, key, value, reported):
    found = compiled(kit.load({key: value})).get_property(key)
    assert getattr(found, "name", found) == reported


@pytest.mark.parametrize("value", ["AUTO", "numa"])
def test_streams_by_name(kit, value):
    assert compiled(kit.load({"NUM_STREAMS": value})).get_property("NUM_STREAMS") >= 1


@pytest.mark.parametrize("key", ["ENABLE_BATCH_PADDING", "SKIP_OV_DYNAMIC_BATCHSIZE"])
def test_switches_for_fixed_batches_change_nothing(kit, key):
    (response,) = kit.load({key: "YES"}).execute([kit.request([[1, 2, 3]])])
    np.testing.assert_allclose(response.arrays()["y"], kit.expected([[1, 2, 3]]), rtol=1e-6)


def test_reshaping_to_the_configuration(kit):
    kit.write_network(batch=4)
    model = kit.load({"RESHAPE_IO_LAYERS": "YES"})
    (response,) = model.execute([kit.request([[1, 2, 3], [4, 5, 6]])])
    np.testing.assert_allclose(response.arrays()["y"], kit.expected([[1, 2, 3], [4, 5, 6]]), rtol=1e-6)


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("INFERENCE_NUM_THREADS", "many", "must be a number, 0 or more, found 'many'"),
        ("INFERENCE_NUM_THREADS", "-1", "must be a number, 0 or more, found '-1'"),
        ("NUM_STREAMS", "some", "must be a number"),
        ("PERFORMANCE_HINT", "FAST", "must be LATENCY or THROUGHPUT or CUMULATIVE_THROUGHPUT, found 'FAST'"),
        ("HINT_BF16", "NO", "must be YES, found 'NO'"),
        ("TARGET_DEVICE", "GPU", "must be CPU, found 'GPU'"),
        ("CPU_EXTENSION_PATH", "/x.so", "loads native code, which this backend does not do"),
    ],
)
def test_values_that_are_refused(kit, key, value, text):
    with pytest.raises(ConfigError, match=f"the parameter '{key}' {text}"):
        kit.load({key: value})


def test_no_telemetry(kit):
    kit.load()
    assert sys.modules["openvino_telemetry"] is None

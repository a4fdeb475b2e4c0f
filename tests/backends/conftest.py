# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("tritonclient.grpc")

from onnx import TensorProto, helper, numpy_helper

from tests import fake_stub as stub


class Kit:
    """Makes model folders with a small network, y = x·W + b (n, 3) → (n, 2), and loads a backend's model on them."""

    weight = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    bias = np.array([0.5, -2.0], np.float32)

    def __init__(self, folder, backend):
        self.folder = folder / "linear"
        self.module = stub.load(stub.ROOT / "backends" / backend / "model.py")
        self.backend = backend

    def write_network(self, batch="batch", x_type=TensorProto.FLOAT):
        path = self.folder / "1" / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        graph = helper.make_graph(
            [helper.make_node("Gemm", ["x", "w", "b"], ["y"])],
            "linear",
            [helper.make_tensor_value_info("x", x_type, (batch, 3))],
            [helper.make_tensor_value_info("y", x_type, (batch, 2))],
            [numpy_helper.from_array(self.weight, "w"), numpy_helper.from_array(self.bias, "b")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path.write_bytes(model.SerializeToString())

    def config(self, parameters=(), *, max_batch_size=8, x="x", x_dims="3", y_dims="2", x_type="FP32", more=""):
        lines = "".join(
            f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}\n'
            for key, value in dict(parameters).items()
        )
        return (
            f'name: "linear"\nbackend: "{self.backend}"\ndefault_model_filename: "model.onnx"\n'
            f"max_batch_size: {max_batch_size}\n"
            f'input {{ name: "{x}" data_type: TYPE_{x_type} dims: [{x_dims}] }}\n'
            f'output {{ name: "y" data_type: TYPE_FP32 dims: [{y_dims}] }}\n{lines}{more}'
        )

    def load(self, parameters=(), **options):
        if not (self.folder / "1").exists():
            self.write_network()
        model = self.module.TritonPythonModel()
        model.initialize(stub.arguments(self.folder, self.config(parameters, **options)))
        return model

    @property
    def threads_key(self):
        return {"openvino": "INFERENCE_NUM_THREADS", "onnxruntime": "intra_op_thread_count"}[self.backend]

    def threads(self, model):
        """As the runtime itself says."""
        if self.backend == "openvino":
            return model.request.get_compiled_model().get_property(self.threads_key)
        return model.session.get_session_options().intra_op_num_threads

    def request(self, rows, outputs=("y",)):
        return stub.Request({"x": np.asarray(rows, np.float32)}, outputs)

    def expected(self, rows):
        return np.asarray(rows, np.float32) @ self.weight + self.bias


@pytest.fixture(params=["openvino", "onnxruntime"])
def backend(request):
    """Each backend in turn; a test module of one of them overrides this."""
    return request.param


@pytest.fixture
def kit(tmp_path, backend):
    pytest.importorskip(backend)
    return Kit(tmp_path, backend)

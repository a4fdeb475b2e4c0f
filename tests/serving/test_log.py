# SPDX-License-Identifier: Apache-2.0
"""Lines as Triton 2.51 writes them, and the one sentence that is made of them."""

import pytest

from vcf_server.log import ServerLog

NOISE = """\
E1123 15:12:54.904396 8666 server.cc:241] "CudaDriverHelper has not been initialized."
I1123 15:12:54.906204 8666 model_lifecycle.cc:472] "loading: bad:1"
W1123 15:12:56.825072 8666 pinned_memory_manager.cc:170] "failed to allocate pinned system memory: no pool"
I1123 15:12:56.877344 8567 model_lifecycle.cc:839] "successfully loaded 'good'"
"""
PYTHON_ERROR = (
    "E1123 15:12:56.737395 8666 model_lifecycle.cc:642] \"failed to load 'bad' version 1: Internal: ConfigError: the "
    "parameter 'X' is unknown; accepted are A, B\\n\\nAt:\\n  /somewhere/model.py(9): initialize\\n\"\n"
)
BACKEND_ERROR = (
    "E1123 15:14:12.248438 9525 model_lifecycle.cc:642] \"failed to load 'm3' version 1: Invalid argument: unable to "
    "find backend library for backend 'tensorrt', try specifying runtime on the model configuration.\"\n"
)
CONFIG_ERROR = """\
[libprotobuf ERROR /build/text_format.cc:337] Error parsing text-format inference.ModelConfig: 1:17: Message type \
"inference.ModelConfig" has no field named "bogus".
E1123 15:14:12.247800 9525 model_repository_manager.cc:1460] "Poll failed for model directory 'm2': failed to read \
text proto from /somewhere/m2/config.pbtxt"
"""
SOCKET_ERROR = (
    'E1123 15:13:17.129065 9281 main.cc:245] "failed to start GRPC service: Unavailable - Socket '
    "'127.0.0.1:18801' already in use \"\n"
)
GAVE_UP = "error: creating server: Internal - failed to load all models\n"


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "server.log"
    path.write_text(PYTHON_ERROR.replace("bad", "of an earlier run"))
    log = ServerLog(path)
    yield path, log
    log.close()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (PYTHON_ERROR + GAVE_UP, "model 'bad' cannot be loaded: the parameter 'X' is unknown; accepted are A, B"),
        (
            BACKEND_ERROR,
            "model 'm3' cannot be loaded: unable to find backend library for backend 'tensorrt', try specifying "
            "runtime on the model configuration.",
        ),
        (
            CONFIG_ERROR,
            "model 'm2' has a broken configuration: failed to read text proto from /somewhere/m2/config.pbtxt: 1:17: "
            'Message type "inference.ModelConfig" has no field named "bogus".',
        ),
        (SOCKET_ERROR, "the address 127.0.0.1:18801 is taken by another program"),
        (GAVE_UP, "creating server: Internal - failed to load all models"),
        (
            "/opt/bin/tritonserver: unrecognized option '--no'\nUsage: tritonserver [options]\n",
            "unrecognized option '--no'",
        ),
        ('Bad option: "--model-control-mode".\ninvalid argument\n', 'Bad option: "--model-control-mode".'),
        ("", "its log gives no reason"),
    ],
)
def test_reason(written, text, sentence):
    path, log = written
    with path.open("a") as file:
        file.write(NOISE + text)
    log.update()
    assert log.reason() == sentence
    assert "\n" not in log.reason()


def test_first_cause_wins(written):
    path, log = written
    with path.open("a") as file:
        file.write(BACKEND_ERROR + PYTHON_ERROR)
    log.update()
    assert "'m3'" in log.reason()


def test_loaded_models_and_half_lines(written):
    path, log = written
    with path.open("a") as file:
        file.write(NOISE[:-10])
        file.flush()
        log.update()
        assert log.loaded == set()
        file.write(NOISE[-10:])
    path.unlink()
    log.update()
    assert log.loaded == {"good"}
    assert log.failure is None

# SPDX-License-Identifier: Apache-2.0
# Triton's official image with what the Python models import. Two targets: gpu runs TensorRT plans, cpu runs the
# ONNX files on the Python-based backends of this repository, as `make serve` does.
ARG TRITON_IMAGE=nvcr.io/nvidia/tritonserver:26.05-py3

FROM ${TRITON_IMAGE} AS gpu
# The image belongs to this server alone; its system Python is the one that the Python backend runs.
ENV PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY pyproject.toml README.md LICENSE /src/
COPY preprocess /src/preprocess
COPY vcf /src/vcf
RUN pip install /src && python3 -c "import preprocess.spine, vcf.contract"
# A server that starts elsewhere brings its models along; docker-compose lays the working tree's over them. Plans are
# built before the image is, on the kind of GPU that will serve them.
COPY model_repository /models
COPY deploy/probe.py deploy/drain.py /opt/vcf/
EXPOSE 8000 8001 8002

FROM gpu AS cpu
COPY constraints.txt /src/
RUN grep -E '^(openvino|onnxruntime)==' /src/constraints.txt | xargs pip install
# A backend must lie inside the backend directory, links to elsewhere are refused: hence the copy.
COPY backends /opt/vcf/backends
RUN cp -r /opt/tritonserver/backends/python /opt/vcf/backends/python
ENV ORT_DISABLE_TELEMETRY=1 OPENVINO_TELEMETRY_OPT_OUT=1

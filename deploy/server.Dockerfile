# SPDX-License-Identifier: Apache-2.0
# Triton's official image with what the Python models import. Two targets: gpu runs TensorRT plans, cpu runs the
# ONNX files on the Python-based backends of this repository, as `make serve` does.
ARG TRITON_IMAGE=nvcr.io/nvidia/tritonserver:26.09-py3

FROM ${TRITON_IMAGE} AS gpu
# The image belongs to this server alone; its system Python is the one that the Python backend runs. The constraints
# hold for what builds a package, too.
ENV PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT=/src/constraints.txt
COPY pyproject.toml README.md LICENSE constraints.txt /src/
# The dependencies first: they stay as they are when the code changes. The client's reader is what dicom_volume runs.
RUN pip install '/src[client]'
COPY contract /src/contract
COPY preprocess /src/preprocess
COPY clients/python /src/clients/python
COPY serving /src/serving
RUN pip install --no-deps --force-reinstall /src \
    && python3 -c "import vcf_preprocess.spine, vcf_contract.contract, vcf_client.reader, vcf_server.container"
# A server that starts elsewhere brings its models along; docker-compose lays the working tree's over them. Plans are
# built before the image is, on the kind of GPU that will serve them.
COPY model_repository /models
COPY deploy/probe.py deploy/drain.py /opt/vcf/
# Files of a checkout made under a strict umask are for their owner alone; the server runs as another user.
RUN chmod -R a+rX /models /opt/vcf
EXPOSE 8000 8001 8002

FROM gpu AS cpu
RUN grep -E '^(openvino|onnxruntime)==' /src/constraints.txt | xargs pip install
# A backend must lie inside the backend directory, links to elsewhere are refused: hence the copy.
COPY backends /opt/vcf/backends
RUN cp -r /opt/tritonserver/backends/python /opt/vcf/backends/python && chmod -R a+rX /opt/vcf/backends
# Within a container niceness says who goes first, and a refusal is not to wait for the networks (docs/operations.md).
ENV ORT_DISABLE_TELEMETRY=1 OPENVINO_TELEMETRY_OPT_OUT=1 VCF_NICENESS=10

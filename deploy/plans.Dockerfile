# SPDX-License-Identifier: Apache-2.0
# Builds the TensorRT plans with the TensorRT of the same release as the server's. Run it on the machine and GPU that
# will serve them: a plan belongs to both.
ARG TENSORRT_IMAGE=nvcr.io/nvidia/tensorrt:26.05-py3

FROM ${TENSORRT_IMAGE}
# What prints the commands needs no more than the standard library.
COPY vcf /opt/vcf/vcf
COPY preprocess /opt/vcf/preprocess
COPY export /opt/vcf/export
ENV PYTHONPATH=/opt/vcf PYTHONDONTWRITEBYTECODE=1
CMD ["bash", "-c", "set -e -o pipefail; python3 -m vcf export tensorrt --repository /models --trtexec | bash -ex; python3 -m vcf export plan --repository /models --record"]

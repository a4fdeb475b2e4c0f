# SPDX-License-Identifier: Apache-2.0
# Builds the TensorRT plans with the TensorRT of the same release as the server's. Run it on the machine and GPU that
# will serve them: a plan belongs to both.
ARG TENSORRT_IMAGE=nvcr.io/nvidia/tensorrt:26.09-py3

FROM ${TENSORRT_IMAGE}
# What prints the commands needs no more than the standard library.
COPY contract /opt/vcf/contract
COPY clients/python /opt/vcf/clients/python
COPY serving /opt/vcf/serving
COPY export /opt/vcf/export
COPY cli /opt/vcf/cli
ENV PYTHONPATH=/opt/vcf/contract:/opt/vcf/clients/python:/opt/vcf/serving:/opt/vcf/export:/opt/vcf/cli
ENV PYTHONDONTWRITEBYTECODE=1
# none, or sameComputeCapability: plans for every GPU of this one's generation.
ENV VCF_HARDWARE_COMPATIBILITY=none
CMD ["bash", "-c", "set -e -o pipefail; export=(python3 -m vcf_cli export plan --repository /models --hardware-compatibility $VCF_HARDWARE_COMPATIBILITY); \"${export[@]}\" --trtexec | bash -ex; \"${export[@]}\" --record"]

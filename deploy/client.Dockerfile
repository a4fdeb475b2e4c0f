# SPDX-License-Identifier: Apache-2.0
# The vcf command. Three targets: client has the client extra, gateway what speaks with a PACS, too, screen what the nodes
# of a Ray cluster need for `vcf screen`.
#   docker build -f deploy/client.Dockerfile --target client -t vcf-client .
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS dependencies
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_CONSTRAINT=/src/constraints.txt
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY pyproject.toml README.md LICENSE constraints.txt /src/
RUN pip install '/src[client,otlp]'

FROM dependencies AS client
COPY contract /src/contract
COPY preprocess /src/preprocess
COPY clients/python /src/clients/python
COPY serving /src/serving
COPY cli /src/cli
# `vcf phantom` makes a study to try a server with; the rest of the training stays out.
COPY training/vcf_training/__init__.py /src/training/vcf_training/
COPY training/vcf_training/phantom /src/training/vcf_training/phantom
RUN pip install --no-deps --force-reinstall /src && vcf --help >/dev/null && vcf phantom --help >/dev/null
USER 1000:1000
ENTRYPOINT ["vcf"]
CMD ["--help"]

FROM dependencies AS gateway
RUN pip install '/src[gateway]'
COPY contract /src/contract
COPY preprocess /src/preprocess
COPY clients/python /src/clients/python
COPY serving /src/serving
COPY cli /src/cli
RUN pip install --no-deps --force-reinstall /src && vcf gateway --help >/dev/null
USER 1000:1000
EXPOSE 11112
ENTRYPOINT ["vcf", "gateway"]
CMD ["run", "--config", "/etc/vcf/gateway.toml"]

FROM dependencies AS screen
RUN pip install '/src[screen]'
COPY contract /src/contract
COPY preprocess /src/preprocess
COPY clients/python /src/clients/python
COPY serving /src/serving
COPY screening /src/screening
COPY cli /src/cli
RUN pip install --no-deps --force-reinstall /src && vcf screen --help >/dev/null
USER 1000:1000
ENV RAY_USAGE_STATS_ENABLED=0
CMD ["vcf", "screen", "--help"]

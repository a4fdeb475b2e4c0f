# SPDX-License-Identifier: Apache-2.0
# The vcf command with the client extra: `docker build -f deploy/client.Dockerfile -t vcf-client .`
FROM python:3.11-slim
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1
COPY pyproject.toml README.md LICENSE constraints.txt /src/
COPY preprocess /src/preprocess
COPY vcf /src/vcf
COPY clients /src/clients
RUN pip install -c /src/constraints.txt '/src[client]'
USER nobody
ENTRYPOINT ["vcf"]
CMD ["--help"]

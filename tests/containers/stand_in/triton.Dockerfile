# SPDX-License-Identifier: Apache-2.0
# Stands in for NVIDIA's Triton image where no image registry is at hand: Debian, and the tritonserver of the wheel.
FROM vcf-stand-in/python
COPY bin/tritonserver /opt/tritonserver/bin/
COPY lib /opt/tritonserver/lib
COPY backends/python /opt/tritonserver/backends/python
ENV PATH=/opt/tritonserver/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV LD_LIBRARY_PATH=/opt/tritonserver/lib
# As in NVIDIA's: NumPy for the Python backend, and a user for the server.
RUN pip install --no-cache-dir --break-system-packages numpy==1.26.4 && useradd --uid 1000 --create-home triton-server

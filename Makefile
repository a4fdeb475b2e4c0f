# SPDX-License-Identifier: Apache-2.0
# Everything is set up in .venv on first use; a second call finds it ready.

PYTHON ?= python3.11
VENV ?= .venv
NUMPY2_VENV ?= .venv-numpy2
RTX_VENV ?= .venv-tensorrt-rtx
STUDY ?=
UV := 0.13.9
NUMPY2 := 2.4.1
RTX_EP := 0.5.0
RTX := 1.7.1.116
bin := $(VENV)/bin
comma := ,

.PHONY: help demo serve test test-numpy2 test-tensorrt lint clean
.DELETE_ON_ERROR:

help:
	@echo "make demo [STUDY=folder]  analyse a CT (a public one by default) on a local server; report in out/demo"
	@echo "make serve                run the server on 127.0.0.1 until Ctrl-C"
	@echo "make test [ARGS=...]      run the tests; ARGS go to pytest"
	@echo "make test-numpy2          run the tests of the preparation under NumPy 2"
	@echo "make test-tensorrt        build plans with NVIDIA's TensorRT for RTX, no GPU needed (146 MB)"
	@echo "make lint                 ruff and mypy"
	@echo "make clean                remove environments, caches and the demo's output"

demo: $(VENV)/.demo
	@$(bin)/vcf demo $(if $(STUDY),"$(STUDY)")

serve: $(VENV)/.demo
	@$(bin)/vcf serve

test: $(VENV)/.test
	$(bin)/python -m pytest $(ARGS)

lint: $(VENV)/.test
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy

test-numpy2: $(NUMPY2_VENV)/.ready
	$(NUMPY2_VENV)/bin/python -c "import numpy; print('NumPy', numpy.__version__); assert int(numpy.__version__.split('.')[0]) >= 2"
	$(NUMPY2_VENV)/bin/python -m pytest tests/preprocess $(ARGS)

# The parser and builder come in a wheel of ONNX Runtime's, under names that the bindings do not look for.
test-tensorrt: $(RTX_VENV)/.ready
	PYTHONPATH=. LD_LIBRARY_PATH=$(abspath $(RTX_VENV))/lib/tensorrt:$$LD_LIBRARY_PATH \
		$(RTX_VENV)/bin/python -m pytest -q -s tests/export/test_tensorrt_rtx.py $(ARGS)

clean:
	rm -rf $(VENV) $(NUMPY2_VENV) $(RTX_VENV) .pytest_cache .mypy_cache .ruff_cache build *.egg-info out/demo

$(bin)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: name a Python 3.11 to 3.13 with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	-$(bin)/python -m pip install --quiet --disable-pip-version-check uv==$(UV)

# Without uv, pip installs every pinned version as it is: the wheel of the server carries requirements of its own
# that nothing here can meet, and only uv can be told so (pyproject.toml, dependency-metadata).
define install
	@echo "Setting up $(VENV) for $(1); the first time takes a few minutes"
	@if [ -x $(bin)/uv ]; then \
		$(bin)/uv pip install --quiet --python $(bin)/python -c constraints.txt -e '.[$(1)]'; \
	else \
		$(bin)/python -m pip install --quiet --no-deps -r constraints.txt && \
		$(bin)/python -m pip install --quiet --no-deps -e .; \
	fi
	@touch $@
endef

$(VENV)/.demo: pyproject.toml constraints.txt | $(bin)/python
	$(call install,client$(comma)serve)

$(VENV)/.test: pyproject.toml constraints.txt | $(bin)/python
	$(call install,client$(comma)serve$(comma)gateway$(comma)train$(comma)export$(comma)bench$(comma)peers$(comma)dev)

$(NUMPY2_VENV)/.ready: constraints.txt
	$(PYTHON) -m venv $(NUMPY2_VENV)
	grep -v '^numpy==' constraints.txt > $(NUMPY2_VENV)/constraints.txt
	$(NUMPY2_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c $(NUMPY2_VENV)/constraints.txt numpy==$(NUMPY2) scipy pytest
	touch $@

$(RTX_VENV)/.ready: constraints.txt
	$(PYTHON) -m venv $(RTX_VENV)
	$(RTX_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		numpy scipy onnx onnxruntime pytest
	$(RTX_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		onnxruntime-ep-nv-tensorrt-rtx-cu13==$(RTX_EP) tensorrt-rtx-cu13-bindings==$(RTX)
	mkdir -p $(RTX_VENV)/lib/tensorrt
	for name in libtensorrt_rtx libtensorrt_onnxparser_rtx; do \
		ln -sf $$($(RTX_VENV)/bin/python -c "import glob, sysconfig; print(glob.glob(sysconfig.get_path('purelib') + '/onnxruntime_ep_nv_tensorrt_rtx/$$name.so.*')[0])") \
			$(RTX_VENV)/lib/tensorrt/$$name.so.1 || exit 1; \
	done
	touch $@

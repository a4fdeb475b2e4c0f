# SPDX-License-Identifier: Apache-2.0
# Everything is set up in .venv on first use; a second call finds it ready.

PYTHON ?= python3.11
VENV ?= .venv
NUMPY2_VENV ?= .venv-numpy2
RTX_VENV ?= .venv-tensorrt-rtx
MONAI_VENV ?= .venv-monai-deploy
NVIDIA_TOOLS_VENV ?= .venv-nvidia-tools
STUDY ?=
TEST_PROCESSES ?= 3
UV := 0.13.9
NUMPY2 := 2.4.1
HELM := 3.22.0
RTX_EP := 0.5.0
RTX := 1.7.1.116
MONAI_DEPLOY := 4.0.0
CUDA_RUNTIME := 13.5.37
PERF_ANALYZER := 2.45.0
PERF_ANALYZER_CUDA := 12.9.79
MODEL_ANALYZER := 1.58.0
VARIANTS := build/variants
bin := $(VENV)/bin
# AGAIN=1: what failed in the run before, one after the other. A run that left no failures behind (it broke off) fails again.
again := $(if $(AGAIN),-n 0 --last-failed --last-failed-no-failures none)
comma := ,

# Some machines forbid Python to keep compiled modules. Then each of the hundreds of processes that the tests start would
# compile TensorFlow anew, which takes twice as long as the rest of its import.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo serve test test-all test-numpy2 test-tensorrt test-containers test-kubernetes helm monai-deploy nvidia-tools lint docs drills clean
.DELETE_ON_ERROR:

help:
	@echo "make demo [STUDY=folder]  analyse a CT (a public one by default) on a local server; report in out/demo"
	@echo "make serve                run the server on 127.0.0.1 until Ctrl-C"
	@echo "make test [ARGS=...]      run the tests but those marked slow; ARGS go to pytest, AGAIN=1 runs what failed"
	@echo "make test-all [ARGS=...]  run all tests"
	@echo "make test-numpy2          run the tests of the preparation under NumPy 2"
	@echo "make test-tensorrt        build plans with NVIDIA's TensorRT for RTX, no GPU needed (146 MB)"
	@echo "make test-containers      build the images and run them in a Docker engine of its own (root, Debian's docker.io)"
	@echo "make test-kubernetes      install the chart in a Kubernetes cluster of its own and drill it (root, Go, Debian's containerd)"
	@echo "make helm                 build helm from its Go module in build/tools, for the tests of the chart"
	@echo "make monai-deploy         set up MONAI Deploy in an environment of its own, for the test of its example (250 MB)"
	@echo "make nvidia-tools         set up perf_analyzer and Model Analyzer in an environment of their own, for their tests (630 MB)"
	@echo "make drills               do to the product what no request, file or peer may do to it (DRILLS=, FULL=1, KEEP=1)"
	@echo "make lint                 ruff, mypy, and the layers of imports"
	@echo "make docs                 build the docs site in build/site; a broken link fails it"
	@echo "make clean                remove environments, caches and the demo's output"

demo: $(VENV)/.demo
	@$(bin)/vcf demo $(if $(STUDY),"$(STUDY)")

serve: $(VENV)/.demo
	@$(bin)/vcf serve

# More processes than cores: many tests wait for a server. A file each at a time. ARGS of a single file with -n 0 show its output as it comes.
test: $(VENV)/.test
	$(bin)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile -m "not slow and not containers and not kubernetes" $(ARGS) $(again)

test-all: $(VENV)/.test
	$(bin)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile -m "not containers and not kubernetes" $(ARGS) $(again)

# One process: there is one engine. Images and stand-ins stay in VCF_CONTAINERS (/var/tmp/vcf-containers) for next time.
test-containers: $(VENV)/.test
	$(bin)/python -m pytest -m containers tests/containers --durations 12 $(ARGS)

# Kubernetes is built from its Go modules, once; its programs stay in VCF_KUBERNETES (/var/tmp/vcf-kubernetes).
test-kubernetes: $(VENV)/.test build/tools/helm
	$(bin)/python -m pytest -m kubernetes tests/kubernetes --durations 12 $(ARGS)

helm: build/tools/helm

build/tools/helm:
	@command -v go >/dev/null || { echo "Go is not installed, and helm is built from its module" >&2; exit 1; }
	GOBIN=$(abspath build/tools) go install helm.sh/helm/v3/cmd/helm@v$(HELM)

monai-deploy: $(MONAI_VENV)/.ready

nvidia-tools: $(NVIDIA_TOOLS_VENV)/.ready

# DRILLS="fuzz bombs" runs some; FULL=1 takes hours; KEEP=1 writes docs/drills.md anew.
drills: $(VENV)/.test
	$(bin)/python -m vcf_benchmarks.drills $(if $(FULL),--full) $(if $(KEEP),--keep) $(DRILLS)

lint: $(VENV)/.test
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports

# The theme prints a notice about its own future with every build, unless told not to.
docs: $(VENV)/.test
	NO_MKDOCS_2_WARNING=1 $(bin)/mkdocs build --strict

test-numpy2: $(NUMPY2_VENV)/.ready
	$(NUMPY2_VENV)/bin/python -c "import numpy; print('NumPy', numpy.__version__); assert int(numpy.__version__.split('.')[0]) >= 2"
	$(NUMPY2_VENV)/bin/python -m pytest tests/preprocess $(ARGS)

# The parser and builder come in a wheel of ONNX Runtime's, under names that the bindings do not look for.
test-tensorrt: $(RTX_VENV)/.ready $(VARIANTS)/.written
	LD_LIBRARY_PATH=$(abspath $(RTX_VENV))/lib/tensorrt:$$LD_LIBRARY_PATH \
		$(RTX_VENV)/bin/python -m pytest -q -s tests/export/test_tensorrt_rtx.py $(ARGS)

# That environment has no Keras: the graphs of all variants are written before.
$(VARIANTS)/.written: $(VENV)/.test tests/random_members.py $(wildcard training/vcf_training/*.py export/vcf_export/*.py)
	rm -rf $(VARIANTS)
	$(bin)/python -m tests.random_members $(VARIANTS)
	touch $@

clean:
	rm -rf $(VENV) $(NUMPY2_VENV) $(RTX_VENV) $(MONAI_VENV) $(NVIDIA_TOOLS_VENV) .pytest_cache .mypy_cache .ruff_cache build dist out/demo

$(bin)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: name a Python 3.11 or 3.12 with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; found = sys.version_info[:2]; found in ((3, 11), (3, 12)) or sys.exit("$(PYTHON) is Python \
	%d.%d; the server needs 3.11 or 3.12: name one with PYTHON=... (3.13 runs the client alone, \
	pip install .[client])" % found)'
	$(PYTHON) -m venv $(VENV)
	-$(bin)/python -m pip install --quiet --disable-pip-version-check uv==$(UV)

define install
	@echo "Setting up $(VENV) for $(1); the first time takes a few minutes"
	@if [ -x $(bin)/uv ]; then install="$(bin)/uv pip install --python $(bin)/python"; \
	else install="$(bin)/python -m pip install"; fi; \
	$$install --quiet -c constraints.txt -e '.[$(1)]'
	@touch $@
endef

$(VENV)/.demo: pyproject.toml constraints.txt | $(bin)/python
	$(call install,client$(comma)serve)

$(VENV)/.test: pyproject.toml constraints.txt | $(bin)/python
	$(call install,client$(comma)serve$(comma)gateway$(comma)train$(comma)export$(comma)bench$(comma)peers$(comma)screen$(comma)docs$(comma)dev)

$(NUMPY2_VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(NUMPY2_VENV)
	grep -v '^numpy==' constraints.txt > $(NUMPY2_VENV)/constraints.txt
	$(NUMPY2_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c $(NUMPY2_VENV)/constraints.txt numpy==$(NUMPY2) scipy pytest -e .
	touch $@

# Holoscan loads CUDA's runtime library where there is no GPU, too.
$(MONAI_VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(MONAI_VENV)
	$(MONAI_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		monai-deploy-app-sdk==$(MONAI_DEPLOY) nvidia-cuda-runtime==$(CUDA_RUNTIME) -e '.[client]'
	touch $@

# The last wheel with perf_analyzer inside. It loads CUDA's runtime library where there is no GPU, too, but does not look
# for it among Python's packages.
$(NVIDIA_TOOLS_VENV)/.ready: Makefile
	$(PYTHON) -m venv --clear $(NVIDIA_TOOLS_VENV)
	$(NVIDIA_TOOLS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		'tritonclient[grpc,http]==$(PERF_ANALYZER)' triton-model-analyzer==$(MODEL_ANALYZER) \
		nvidia-cuda-runtime-cu12==$(PERF_ANALYZER_CUDA)
	mkdir $(NVIDIA_TOOLS_VENV)/libexec
	mv $(NVIDIA_TOOLS_VENV)/bin/perf_analyzer $(NVIDIA_TOOLS_VENV)/libexec
	printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$$@"\n' \
		"$$(echo $(abspath $(NVIDIA_TOOLS_VENV))/lib/python3*/site-packages/nvidia/cuda_runtime/lib)" \
		$(abspath $(NVIDIA_TOOLS_VENV))/libexec/perf_analyzer > $(NVIDIA_TOOLS_VENV)/bin/perf_analyzer
	chmod +x $(NVIDIA_TOOLS_VENV)/bin/perf_analyzer
	touch $@

$(RTX_VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(RTX_VENV)
	$(RTX_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		numpy scipy onnx onnxruntime pytest -e .
	$(RTX_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		onnxruntime-ep-nv-tensorrt-rtx-cu13==$(RTX_EP) tensorrt-rtx-cu13-bindings==$(RTX)
	mkdir -p $(RTX_VENV)/lib/tensorrt
	for name in libtensorrt_rtx libtensorrt_onnxparser_rtx; do \
		ln -sf $$($(RTX_VENV)/bin/python -c "import glob, sysconfig; print(glob.glob(sysconfig.get_path('purelib') + '/onnxruntime_ep_nv_tensorrt_rtx/$$name.so.*')[0])") \
			$(RTX_VENV)/lib/tensorrt/$$name.so.1 || exit 1; \
	done
	touch $@

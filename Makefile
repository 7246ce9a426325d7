# Each target creates .venv and installs by itself.
PYTHON ?= python3
STUDY ?= params/embedded.yaml
PROFILE ?=
MODEL ?=
BIN := .venv/bin
# Each as one word of the shell, whatever is in it: a dollar, a quote, a space.
STUDY_WORD = '$(subst ','\'',$(value STUDY))'
ON_MODEL = $(if $(MODEL),--model '$(subst ','\'',$(value MODEL))')
PROFILE_WORD = '$(subst ','\'',$(value PROFILE))'
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM := false

.PHONY: help study register plan verify bundle calibration test kill-test slurm-test unsloth-test colab-test browser-test play lab base-models placement bench gpu-check \
	audit docs lint types clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

.venv/slurm-installed: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[slurm]"
	@touch $@

# Where Unsloth cannot be installed, PEFT trains (`backend: auto` says which, and why), and the next make tries again.
.venv/unsloth-installed: .venv/installed
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[unsloth]" && touch $@ || \
		echo "Unsloth was not installed, pip's reason stands above: PEFT trains in its place"

study: .venv/installed $(if $(filter slurm,$(PROFILE)),.venv/slurm-installed) $(if $(shell command -v nvidia-smi),.venv/unsloth-installed)  ## run a study to its report: make study [STUDY=params/embedded.yaml] [MODEL=folder or hub id] [PROFILE=local|slurm]
	@$(BIN)/priorshift run $(STUDY_WORD) $(if $(PROFILE),--profile $(PROFILE_WORD)) $(ON_MODEL)

register: .venv/installed  ## write a study's whole design to a dated file, before its data: make register STUDY=...
	@$(BIN)/priorshift register $(STUDY_WORD) $(ON_MODEL)

plan: .venv/installed  ## say what `make study` would do and why, and do nothing
	@$(BIN)/priorshift plan $(STUDY_WORD) $(ON_MODEL)

verify: .venv/installed  ## prove every file of a study by its manifest
	@$(BIN)/priorshift verify $(STUDY_WORD)

bundle: .venv/installed  ## one archive of a study for its reviewers (RO-Crate)
	@$(BIN)/priorshift bundle $(STUDY_WORD)

calibration:  ## A/A comparisons of forty neutral runs: do the tests keep their level?
	@$(MAKE) study STUDY=params/calibration.yaml

test: .venv/installed  ## units, properties and every notebook at smoke size (a GPU is not used)
	@CUDA_VISIBLE_DEVICES= PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

slurm-test: .venv/slurm-installed  ## the smoke study on a real SLURM cluster on this machine (root and Debian; minutes)
	@PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=tests $(BIN)/python tests/support/slurm.py

kill-test: .venv/installed  ## kill the smoke study twenty times at random moments, and compare (half an hour, idle machine)
	@PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=tests $(BIN)/python tests/support/kills.py --params params/smoke.yaml --kills 20 --seed 0

# Without the packages that only a GPU needs (xformers, triton, bitsandbytes), which a CPU cannot install.
.venv-unsloth/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-unsloth
	.venv-unsloth/bin/pip install --quiet --constraint constraints.txt --editable ".[dev,unsloth-imports]"
	.venv-unsloth/bin/pip install --quiet --no-deps --constraint constraints.txt unsloth unsloth_zoo
	@touch $@

unsloth-test: .venv-unsloth/installed  ## Unsloth against PEFT on a CPU, in an environment of its own (minutes)
	@CUDA_VISIBLE_DEVICES= PATH="$(CURDIR)/.venv-unsloth/bin:$$PATH" .venv-unsloth/bin/python -m pytest tests/models/test_unsloth.py tests/bench/test_gpu_check.py

colab-test: .venv/installed  ## the Colab notebook in an environment of its own making (minutes; installs packages)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m colab tests/notebooks/test_colab.py

.venv/browser-installed: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[browser]"
	@touch $@

browser-test: .venv/browser-installed .venv/play-installed docs  ## the report, the playground and the site in a real browser (Debian's chromium; root installs it where it is missing)
	@command -v chromium > /dev/null || apt-get install --yes --quiet chromium || \
		{ echo "error: browser-test: no chromium here; install one (apt-get install chromium)" >&2; exit 1; }
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m browser tests/browser

.venv/play-installed: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[play]"
	@touch $@

play: .venv/play-installed  ## type a stem, and see what a finished study's runs say next: make play STUDY=... (this machine alone)
	@$(BIN)/priorshift play $(STUDY_WORD) $(ON_MODEL)

lab: .venv/installed  ## open the notebooks
	@$(BIN)/jupyter lab notebooks --MappingKernelManager.root_dir="$(CURDIR)"

base-models: .venv/installed  ## pretrain the embedded base models that are missing (about half an hour each)
	@mkdir -p outputs/base_models
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/papermill notebooks/00_base_models.ipynb outputs/base_models/00_base_models.ipynb

placement:  ## where the adapter sits: the placement study and its notebook
	@$(MAKE) study STUDY=params/placement.yaml

.venv/bench-installed: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[bench]"
	@touch $@

bench: .venv/bench-installed  ## speed of the probability core against its peers, on idle cores (about ten minutes)
	@$(BIN)/python -m bench

gpu-check: .venv/bench-installed  ## on a machine with an NVIDIA GPU: speed of training and probing, no download (minutes)
	@command -v nvidia-smi > /dev/null || { echo "error: gpu-check: no NVIDIA GPU here (no nvidia-smi); run it where there is one" >&2; exit 1; }
	@$(MAKE) --no-print-directory .venv/unsloth-installed
	@$(BIN)/python -m bench gpu

.venv-audit/installed:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet pip-audit
	@touch $@

audit: .venv-audit/installed  ## known vulnerabilities of the pinned packages (asks pypi.org; fails where that knows one, or nothing)
	@.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off --requirement constraints.txt

.venv/docs-installed: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[docs]"
	@touch $@

docs: .venv/docs-installed  ## write the generated pages and the README's pictures from the committed tables, and build the site (no network)
	@$(BIN)/python -m priorshift.report.docs_pages
	@$(BIN)/python -m priorshift.report.answer_figure
	@$(BIN)/python -m priorshift.report.next_words_figure
	@rm -rf docs/api
	@$(BIN)/sphinx-build -q -W --keep-going -d build/doctrees -c docs/site . site
	@! grep -rnE '<(script|img|iframe)[^>]* src="(https?:)?//|<link[^>]* href="(https?:)?//|(url\(|@import )["'"'"']?(https?:)?//' \
		site --include='*.html' --include='*.css' || { echo "error: docs: the lines above ask another machine" >&2; exit 1; }
	@echo "site/index.html"

lint: .venv/installed  ## ruff
	@$(BIN)/ruff check src tests bench docs/site
	@$(BIN)/ruff format --check src tests bench docs/site

types: .venv/installed  ## mypy on the rooms that stand alone: probability and stats
	@$(BIN)/mypy

clean:  ## remove what studies made, but for the committed reference study
	git clean -fdX outputs .snakemake

# SAM2-PAL. `make` lists what there is to do.
#
# Needs python >= 3.11, make and a C compiler; everything else is installed into .venv, at the exact
# versions of envs/lock*.txt. Another interpreter: make demo PYTHON=python3.12. More for Snakemake: make demo ARGS=-n

PYTHON ?= python3
ARGS ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
# without compiled modules every call of Snakemake or torch would take many seconds to start
unexport PYTHONDONTWRITEBYTECODE
# threads of torch that wait must not spin: they would starve each other on a busy machine
export OMP_WAIT_POLICY ?= passive

BIN := .venv/bin
READY := .venv/.ready
# the certificates of the system: an institution may have its own
UV := $(BIN)/uv --quiet --system-certs
LOCK := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate $(UPGRADE)

help: ## List the targets
	@echo "SAM2-PAL: measure museum specimens after outlining a handful of them."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##### use it #####

demo: $(READY) ## Run the whole workflow on two drawn genera (a few minutes)
	@echo "== running the workflow on config/config.yaml: two drawn genera, all stages"
	$(BIN)/snakemake $(ARGS)
	@echo "== results: results/tables (all genera), results/GENUS/ROUND/review.html (which masks to look at first)"

# FOLDER, PHOTOGRAPHS, ANNOTATIONS: see sam2pal init --help
new: $(READY) $(BIN)/sam2pal ## Begin a project: make new FOLDER=beetles PHOTOGRAPHS=photographs ANNOTATIONS=outlines.json
	@test -n "$(FOLDER)" -a -n "$(PHOTOGRAPHS)" || { \
	  echo "error: make new FOLDER=where PHOTOGRAPHS=their_folder [ANNOTATIONS=file]" >&2; exit 1; }
	@$(BIN)/sam2pal init "$(FOLDER)" --photographs "$(PHOTOGRAPHS)" $(if $(ANNOTATIONS),--annotations $(ANNOTATIONS))

real: $(READY) ## Run it on the real beetles in ../shared and print their IoU (CPU; an hour or so)
	@test -d ../shared/data/carabidae || { echo "error: the real beetles are not here: ../shared/data/carabidae" >&2; exit 1; }
	@mkdir -p build/real && cp -r tests/real/config build/real/
	@echo "== running the workflow on two collections, three rounds, in build/real"
	$(BIN)/snakemake --directory build/real $(ARGS)
	@$(BIN)/python tests/real/show.py build/real

annotate: $(READY) ## Make a page for outlining templates: make annotate GENUS=Carabus PHOTOGRAPHS=folder
	@test -n "$(GENUS)" -a -n "$(PHOTOGRAPHS)" || { \
	  echo "error: make annotate GENUS=its_name PHOTOGRAPHS=their_folder" >&2; exit 1; }
	$(BIN)/python scripts/annotate.py --genus "$(GENUS)" --photographs "$(PHOTOGRAPHS)" $(ARGS)

benchmark: $(READY) ## Compare ways of training on the real beetles (hours; goes on where it was; ARGS=--help for parts)
	@echo "== results: build/benchmark (table.md, and the tidy files scores.csv and runs.csv)"
	$(BIN)/python scripts/research/benchmark.py $(ARGS)

PICTURES := ../shared/data
# DEVICE=cuda: in bfloat16 there, while every core draws
DEVICE ?= cpu
comma := ,
ON := $(if $(filter cuda%,$(DEVICE)),$(comma) "half": true$(comma) "workers": $(shell nproc))
PRETRAIN := $(BIN)/python scripts/research/pretrain.py --device $(DEVICE)
FROZEN := "groups": 3, "views": 5, "trunk_rate": 0
SMALL := "image_size": 192, "learning_rate": 8e-4, "steps": 1050, "cooldown": 1050
THAWED := "structures": 3, "learning_rate": 3e-4, "half": true, "textures": "$(PICTURES)/antweb_unlabelled/images"
FIRST := "steps": 500, "warmup": 15, "cooldown": 200, "average": 0.98, "ground_beetles": 0.4, "photographs": 0.06
LONGER := "steps": 1150, "warmup": 20, "cooldown": 500, "average": 0.985, "ground_beetles": 0.38, "lacking": 0.22, \
  "turned": 0.45, "photographs": 0.08
LONGEST := "steps": 1000, "warmup": 20, "cooldown": 480, "average": 0.985, "ground_beetles": 0.36, "lacking": 0.22, \
  "turned": 0.5, "photographs": 0.08
LOOSE := "warmup": 20, "average": 0.985, "ground_beetles": 0.36, "photographs": 0.08, "supple": 0.65, "bend": 3.5
LIMBS := "steps": 730, "cooldown": 410, "lacking": 0.25, "turned": 0.5
LAST := "steps": 1250, "cooldown": 600, "lacking": 0.22, "turned": 0.65
TAUGHT := --photographs $(addprefix $(PICTURES)/real_masks/, \
  chicken_parts davis_car_shadow faces_generated insects_whole)
# runs that differ in their random numbers alone: $(call RUNS,NAME,WEIGHTS TO START FROM,SEEDS,OPTIONS)
RUNS = for seed in $(3); do $(PRETRAIN) --folder pretraining/$(1)$$seed --init pretraining/$(2).safetensors --seed $$seed \
	  $(TAUGHT) --options '{$(THAWED), $(LOOSE), $(4)$(ON)}' && \
	  $(PRETRAIN) --folder pretraining/$(1)$$seed --export pretraining/$(1)$$seed.safetensors || exit 1; done

pretrain: $(READY) ## Teach the bundled model anew on drawings and real pictures (hours; goes on where it was; DEVICE=cuda)
	@VIRTUAL_ENV=.venv $(UV) pip install --require-hashes --no-deps -r envs/lock-pretrain.txt
	$(PRETRAIN) --folder pretraining/square192 --options '{$(FROZEN), $(SMALL)$(ON)}'
	$(PRETRAIN) --folder pretraining/square192 --options '{"image_size": 192}' \
	  --export pretraining/square192.safetensors
	$(PRETRAIN) --folder pretraining/square256 --init pretraining/square192.safetensors --seed 2 \
	  --options '{$(FROZEN), "learning_rate": 5e-4, "steps": 1600, "warmup": 40, "cooldown": 1600$(ON)}'
	$(PRETRAIN) --folder pretraining/square256 --export pretraining/square256.safetensors
	$(PRETRAIN) --folder pretraining/thawed --init pretraining/square256.safetensors --seed 12 \
	  $(TAUGHT) --options '{$(THAWED), $(FIRST)$(ON)}'
	$(PRETRAIN) --folder pretraining/thawed --export pretraining/thawed.safetensors
	$(PRETRAIN) --folder pretraining/longer --init pretraining/thawed.safetensors --seed 13 \
	  $(TAUGHT) --options '{$(THAWED), $(LONGER)$(ON)}'
	$(PRETRAIN) --folder pretraining/longer --export pretraining/longer.safetensors
	$(PRETRAIN) --folder pretraining/longest --init pretraining/longer.safetensors --seed 14 \
	  $(TAUGHT) --options '{$(THAWED), $(LONGEST)$(ON)}'
	$(PRETRAIN) --folder pretraining/longest --export pretraining/longest.safetensors
	$(call RUNS,limbs,longest,15 16,$(LIMBS))
	$(PRETRAIN) --mean pretraining/longest.safetensors pretraining/limbs15.safetensors pretraining/limbs16.safetensors \
	  --export pretraining/limbs.safetensors
	$(call RUNS,last,limbs,21 22,$(LAST))
	$(PRETRAIN) --mean pretraining/last21.safetensors pretraining/last22.safetensors --export pretraining/weights.safetensors
	@echo "== the weights: pretraining/weights.safetensors; compare before they replace the bundled ones:"
	@echo "==   PYTHONPATH=scripts $(BIN)/python tests/bench/weights.py [pretraining/weights.safetensors] --real $(PICTURES)/carabidae"

confidence: $(READY) ## Fit the confidence that is shipped with the bundled model (minutes; after its weights changed)
	$(BIN)/python scripts/research/confidence.py --data $(PICTURES) $(ARGS)

profile: $(READY) ## Make `snakemake --profile slurm` work as typed
	@$(BIN)/python profiles/install.py slurm

##### check it #####

test: lint $(READY) ## Run the tests: formatting, units, the workflow (what CI runs)
	@echo "== testing"
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

# SLURM=one-genus is its short form; with SAM2PAL_INSTALL_SLURM= nothing is installed
SLURM := two-genera
SAM2PAL_INSTALL_SLURM ?= 1
test-slurm soak: export SAM2PAL_INSTALL_SLURM := $(SAM2PAL_INSTALL_SLURM)
test-slurm: $(READY) ## Run the pipeline on a Slurm with two fake GPUs (root on Debian: installs it, and stops it again)
	@echo "== testing on a real Slurm"
	$(BIN)/python -m pytest tests/slurm -m "slurm and not soak" -k $(SLURM) $(ARGS)

soak: $(READY) ## Break things while the workflow runs, and compare the tables at the end; plan a million specimens (an hour)
	@echo "== faults: the tables must be the same as without them"
	$(BIN)/python -m pytest -m soak $(ARGS)

lint: $(READY) ## Check style and the workflow's conventions
	@echo "== checking style: ruff, snakefmt, snakemake --lint"
	$(BIN)/ruff format --quiet --check scripts tests profiles
	$(BIN)/ruff check --quiet scripts tests profiles
	$(BIN)/snakefmt --check --compact-diff workflow
	$(BIN)/snakemake --workflow-profile none --lint

docs: $(READY) ## Write workflow/schemas and the tables of config/README.md anew from scripts/sam2pal/config
	$(BIN)/python scripts/generate_docs.py

web: ## Bundle the review page anew from web/ (needs node and npm)
	cd web && npm ci --no-audit --no-fund && npm run build

format: $(READY) ## Format the Snakefiles and the Python, and sort the imports
	$(BIN)/snakefmt workflow
	$(BIN)/ruff check --fix scripts tests profiles
	$(BIN)/ruff format scripts tests profiles

bench: $(READY) ## Print what segmenting, training and measuring cost, over their bounds, and other ways (CPU; an hour)
	PYTHONPATH=scripts $(BIN)/python tests/bench/segmentation.py --output build/bench/segmentation.md $(ARGS)
	PYTHONPATH=scripts $(BIN)/python tests/bench/training.py --output build/bench/training.md
	PYTHONPATH=scripts $(BIN)/python tests/bench/training.py --memory --models sam2.1_hiera_large --output build/bench/memory.md
	PYTHONPATH=scripts $(BIN)/python tests/bench/measuring.py --output build/bench/measuring.md
	PYTHONPATH=scripts $(BIN)/python tests/bench/photographs.py --output build/bench/photographs.md

PEER := build/peers/venv
bench-peers: $(READY) ## Compare with the published SAM2-PAL on the same photographs (CPU; an hour or so); its environment is its own
	@test -x $(PEER)/bin/python || $(BIN)/python -m venv --without-pip $(PEER)
	@# the same torch and sam2 on both sides
	@cd $(PEER)/lib/python*/site-packages && echo "$(CURDIR)/$(BIN)/../lib/$$(basename $$(dirname $$PWD))/site-packages" > ours.pth
	@VIRTUAL_ENV=$(PEER) $(UV) pip install --no-deps descriptron-vision==2.8.2 opencv-python-headless
	PYTHONPATH=scripts $(BIN)/python tests/bench/peers.py --peer $(PEER)/bin/python --output build/peers \
	  $(patsubst %,--real %,$(wildcard $(PICTURES)/carabidae)) $(ARGS)

bench-gpu: ## Print what a GPU does with it (under eight minutes); without one, see that it would run
	PYTHON=$(BIN)/python bash tests/bench/gpu.sh $$($(BIN)/python -c 'import torch; print("" if torch.cuda.is_available() else "--dry-run")') build/bench/gpu

release: lock docs demo ## Check what a release needs: locks, documents and the demo as recorded, one version, nothing uncommitted
	@echo "== the results of the demo, as recorded in tests/demo.tsv"
	$(BIN)/python tests/demo.py results
	@echo "== the package, its version, CITATION.cff and CHANGELOG.md"
	$(BIN)/python -m pytest --quiet tests/unit/test_package.py
	@! sed -n '/^## .Unreleased/,/^## .[0-9]/p' CHANGELOG.md | grep --quiet '^- ' || { \
	  echo "error: CHANGELOG.md: move what stands under [Unreleased] under the version" >&2; exit 1; }
	@version=$$(PYTHONPATH=scripts $(BIN)/python -c 'import sam2pal; print(sam2pal.__version__)'); \
	if git rev-parse --quiet --verify "refs/tags/v$$version" > /dev/null; then \
	  echo "error: there is a tag v$$version: raise __version__ in scripts/sam2pal/__init__.py" >&2; exit 1; fi
	@test -z "$$(git status --porcelain)" || { git status --short; \
	  echo "error: these files are not committed; a lock or document among them was not current" >&2; exit 1; }
	@echo "== ready: tag it, v and the version. make test is not part of this"

##### the environment #####

# the command as an installed package has it, of this clone, from any folder
$(BIN)/sam2pal: $(READY)
	@printf '#!/bin/sh\nPYTHONPATH="%s/scripts$${PYTHONPATH:+:$$PYTHONPATH}" exec "%s/$(BIN)/python" -m sam2pal "$$@"\n' \
	  "$(CURDIR)" "$(CURDIR)" > $@
	@chmod +x $@

env: $(READY) $(BIN)/sam2pal ## Create the environment (.venv) and nothing else
	@echo "== the environment is ready: source .venv/bin/activate"

$(BIN)/uv: envs/lock-uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: SAM2-PAL needs python >= 3.11, and $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo not there)." >&2; \
	  echo "       Name another one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "== set-up 1/3: a virtual environment in .venv ($$($(PYTHON) --version))"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(READY): $(BIN)/uv envs/lock.txt envs/lock-sam2.txt
	@echo "== set-up 2/3: installing the locked packages (about a minute on a fast line; torch alone is 2 GB on Linux)"
	@VIRTUAL_ENV=.venv $(UV) pip sync --require-hashes envs/lock.txt
	@echo "== set-up 3/3: building sam2 against them"
	@VIRTUAL_ENV=.venv SAM2_BUILD_CUDA=0 $(UV) pip install --require-hashes --no-deps --no-build-isolation -r envs/lock-sam2.txt
	@touch $@

lock: $(BIN)/uv ## Write envs/lock*.txt anew from pyproject.toml (newer versions: UPGRADE=--upgrade)
	$(LOCK) --extra test --no-emit-package sam2 pyproject.toml --output-file envs/lock.txt
	grep --only-matching 'sam2==[0-9.]*' pyproject.toml | $(LOCK) --no-deps - --output-file envs/lock-sam2.txt
	grep --only-matching 'efficientnet[a-z0-9-]*==[0-9.]*' pyproject.toml | $(LOCK) --no-deps - --output-file envs/lock-pretrain.txt
	echo uv | $(LOCK) --no-deps - --output-file envs/lock-uv.txt

clean: ## Remove the environment, build/ and caches (never results)
	rm -rf .venv build .pytest_cache .ruff_cache

.PHONY: help demo new annotate web pretrain confidence real benchmark profile test test-slurm soak bench bench-gpu bench-peers release lint docs format env lock clean

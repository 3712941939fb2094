# Every task of this project; `make` alone lists them. A target sets up what
# it needs by itself: once, and again when the dependencies have changed.

# The environment: .venv, or the active conda environment (not conda's base).
# To use another one: make setup VENV=folder
VENV := $(if $(filter-out base,$(CONDA_DEFAULT_ENV)),$(CONDA_PREFIX))
ifeq ($(VENV),)
VENV := .venv
endif
# What makes .venv: make setup PYTHON=python3.12
PYTHON := python3

# One chapter, by number or file: make test CH=03
CH :=
export CH
# More arguments for JupyterLab: make lab ARGS="--port 9999 --no-browser"
ARGS :=

PY := $(VENV)/bin/python
# A checkout that was moved or copied gets set up again: it has another stamp.
READY := $(VENV)/.ready-$(shell pwd | cksum | cut -d ' ' -f 1)
# So does an environment whose Python is gone, or too broken to start.
ifneq ($(shell $(PY) -c "print('ok')" 2>/dev/null),ok)
.PHONY: $(READY)
endif

# The Nu checker of HTML, a Java program.
VNU := vnu-jar@26.9.27

# Installs an extra of pyproject.toml that few need.
install = $(PY) -m pip install --quiet --editable ".[$(1)]" \
    $(if $(wildcard $(VENV)/conda-meta),,--constraint constraints.txt)

.DEFAULT_GOAL := help
.PHONY: help setup lab progress run pull test test-notebooks prove \
    prove-outputs prove-mutants flakes bench pairs html html-single handout \
    assignment test-assignment test-site links publish lint clean constraints

help: ## list the targets
	@echo "Usage: make TARGET [CH=03] [ARGS=...]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' \
	    Makefile

setup: $(READY) ## install what the chapters, the tests and the site need

lab: $(READY) ## read and run the chapters in JupyterLab (WARM=1: fast kernels)
	$(PY) -m jupyterlab --ServerApp.root_dir=. \
	    --LabApp.app_settings_dir=tools/lab \
	    --LabApp.default_url=/lab/tree/chapters/index.md \
	    $(if $(filter 1,$(WARM)),--config=tools/lab/warm.py) $(ARGS)

progress: $(READY) ## which exercises your notebooks have solved
	@$(PY) -m tools.exercises progress

run: $(READY) ## execute the chapters and store their outputs (CH=03: one)
	@$(PY) -m tools.book run "$$CH" $(if $(filter 1,$(FORCE)),--force)

pull: $(READY) ## bring a notebook's edits into its .py file (CH=03: one)
	@$(PY) -m tools.book pull "$$CH" $(if $(filter 1,$(FORCE)),--force)

test: $(READY) lint ## test the code, the pairs and every cell (CH=03: one)
ifeq ($(CH),)
	$(PY) -m pytest -n auto --maxprocesses=4
else
	@notebooks=$$($(PY) -m tools.book list "$$CH") && set -x && \
	$(PY) -m pytest $(wildcard tests/test_chapters.py tests/test_ex*.py) \
	    $$notebooks -k "$$(basename "$${notebooks##* }" .ipynb)"
endif

test-notebooks: $(READY) ## run every cell and compare its output (CH=03: one)
	@notebooks=$$($(PY) -m tools.book list "$$CH") && set -x && \
	$(PY) -m pytest $(if $(CH),,-n auto --maxprocesses=4) $$notebooks

prove: prove-outputs prove-mutants ## show that the tests fail where they should

prove-outputs: $(READY)  # alters each stored output
	@notebooks=$$($(PY) -m tools.book list "$$CH") && set -x && \
	$(PY) -m pytest -q -p tests.strict_nbval -p tools.sabotage $$notebooks

prove-mutants: $(READY)  # alters the code in d2l_helpers
	@$(call install,prove)
	$(PY) -m tools.mutants

flakes: $(READY) ## run the cells 50 times, under changing conditions
	$(PY) -m tools.flakes

bench: $(READY) ## time the tests, the modules and the site beside others
	@$(call install,bench)
	@status=0; for what in import_time modules "notebooks times" \
	    "notebooks growth" "notebooks memory" site; do \
	    echo "== $$what"; $(PY) -m benchmarks.$$what || status=1; \
	done; exit $$status

pairs: $(READY) ## check that each .py and its .ipynb agree (CH=03: one)
	@$(PY) -m tools.book check "$$CH"

html: $(READY) ## build the site from the stored outputs: _build/html/index.html
	@$(PY) -m tools.site

html-single: $(READY) ## one chapter as one HTML file (CH=03)
	@$(PY) -m tools.site single "$$CH"

handout: $(READY) ## a folder and a zip for students, without the solutions
	@$(PY) -m tools.handout

assignment: $(READY) ## exercises as an assignment for nbgrader (CH=03)
	@$(PY) -m tools.assignment "$$CH"

test-assignment: $(READY) ## hand out an assignment, and grade it
	@$(call install,grade)
	$(PY) -m pytest tests/grading

test-site: html ## test the site and JupyterLab in a browser (needs Chromium)
	@$(call install,browser)
	@if command -v java && command -v npm; then \
	    npm install --silent --no-save --prefix _build/vnu $(VNU); \
	fi >/dev/null
	$(PY) -m pytest -n 2 --dist worksteal tests/browser

links: html ## ask each address that the site links to (needs a network)
	$(PY) -m sphinx -b linkcheck -q -c site _build/html-source _build/links

publish: html ## push the site to the branch gh-pages
	@$(call install,publish)
	$(PY) -m ghp_import --no-jekyll --push --force _build/html

lint: $(READY) ## check the style of the code
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check

clean: ## remove what was built, and the caches; the environment stays
	rm -rf _build mutants .pytest_cache .ruff_cache
	find . -path ./.venv -prune -o \
	    \( -name __pycache__ -o -name .ipynb_checkpoints \) \
	    -prune -exec rm -rf {} +

constraints: ## write constraints.txt anew: the newest set, to be tested next
	$(PYTHON) -m tools.constraints $(ARGS)

$(READY): pyproject.toml constraints.txt
	@sh tools/setup "$(PYTHON)" "$(VENV)"
	@touch "$@"

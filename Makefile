# Every task of this project; `make` alone lists them. A target sets up what
# it needs by itself: once, and again when the dependencies have changed.

# The environment: .venv, or the active conda environment (not conda's base).
# To use another one: make setup VENV=folder
VENV :=
# What makes .venv: make setup PYTHON=python3.12
PYTHON := $(if $(shell command -v python3 2>/dev/null),python3,python)
# PyTorch for the CPU, from its own index: make setup TORCH=cpu
TORCH :=
# To take the environment as it is, and install nothing: make lab SETUP=0
SETUP :=
# To test the pages on a GPU that isn't there: make test DEVICE=pretend
DEVICE :=
# To run also what has passed before, and is as it was: make test FRESH=1
FRESH ?= $(if $(CI),1,0)
# To run a part of the tests: make test ROOM=tests/nbval_strict
ROOM :=
export VENV TORCH SETUP DEVICE FRESH ROOM

# An image that is there already: make test-image IMAGE=localhost/name
IMAGE :=
export IMAGE

# One chapter, by number or file: make test CH=03
CH :=
export CH
# One cell of it: make accept CH=chapters/zh/03_custom_layers.py CELL=12
CELL :=
export CELL
# The language of the pages, if not English: make lab EDITION=zh
EDITION :=
export EDITION
# Students at once in a load test, and their kernels: make hub-load N=20
N :=
KERNELS :=
# Where to push, if students clone another address: make students TO=git@...
TO :=
export TO
# To run submissions without a sandbox: make grade CH=03 SANDBOX=0
SANDBOX ?=
# How many submissions to grade at a time: make grade CH=03 JOBS=4
JOBS ?=
export SANDBOX JOBS
# More arguments for JupyterLab: make lab ARGS="--port 9999 --no-browser"
ARGS :=

# The Python of the environment, which gets what it lacks first.
PY = $(if $(shell command -v $(PYTHON) 2>/dev/null),,$(error There is no \
    $(PYTHON). Name one that you have: make setup \
    PYTHON=python3.12))$(PYTHON) make.py

# The Nu checker of HTML, a Java program.
VNU := vnu-jar@26.9.27

.DEFAULT_GOAL := help
.PHONY: help setup lab edit progress restore run pull sync stale accept \
    messages test test-notebooks prove prove-outputs prove-mutants flakes \
    bench pairs html html-single handout students hub hub-load assignment \
    course grade grades test-assignment test-image test-site links publish \
    lint clean constraints

help: ## list the targets
	@echo "Usage: make TARGET [CH=03] [ARGS=...]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' \
	    Makefile

setup: ## install what the chapters, the tests and the site need
	@$(PY) setup

lab: ## read in JupyterLab, in your own workbook (EDITION=zh: Chinese)
	@$(PY) lab $(ARGS)

edit: ## edit the chapters themselves, for authors (EDITION=zh)
	@$(PY) edit $(ARGS)

progress: ## which exercises your workbook has solved (EDITION=zh)
	@$(PY) progress

restore: ## the original of a page of your workbook (CH=03, or 3.2: one)
	@$(PY) restore "$$CH"

run: ## execute the chapters and store their outputs (CH=03: one)
	@$(PY) -m tools.book run "$$CH" $(if $(filter 1,$(FORCE)),--force)

pull: ## bring a notebook's edits into its .py file (CH=03: one)
	@$(PY) -m tools.book pull "$$CH" $(if $(filter 1,$(FORCE)),--force)

sync: ## bring code and new cells into the translations (CH=03: one)
	@$(PY) -m tools.edition sync "$$CH" $(if $(filter 1,$(FORCE)),--force)

stale: ## what the translations don't say as it is now (CH=03: one)
	@status=0; $(PY) -m tools.edition stale "$$CH" || status=1; \
	$(PY) -m tools.catalogs || status=1; exit $$status

accept: ## a translation says it now (CH=03, or one cell: CH=file CELL=12)
	@$(PY) -m tools.edition accept "$$CH" "$$CELL"

test: ## test the code, the pairs and every cell (CH=03: one)
	@$(PY) test "$$CH"

test-notebooks: ## run every cell once, and compare its output (CH=03: one)
	@notebooks=$$($(PY) -m tools.book list "$$CH") && set -x && \
	$(PY) -m pytest -o nbval_strict_twice=false -p no:tests.after_cells \
	    $(if $(CH),,-n auto --maxprocesses=4) $$notebooks

prove: prove-outputs prove-mutants ## show that the tests fail where they should

prove-outputs: FRESH := 1
prove-outputs:  # alters each stored output
	@notebooks=$$($(PY) -m tools.book list "$$CH") && set -x && \
	$(PY) -m pytest -q -p nbval_strict.sabotage \
	    -o nbval_strict_twice=false -p no:tests.after_cells \
	    $(if $(CH),,-n auto --maxprocesses=4) $$notebooks

prove-mutants:  # alters the code in d2l_helpers
	@$(PY) setup prove
	$(PY) -m tools.mutants

flakes: ## run the cells 50 times, under changing conditions
	@notebooks=$$($(PY) -m tools.book list) && set -x && \
	$(PY) -m nbval_strict.flakes 50 $$notebooks

bench: ## time the tests, the modules and the site beside others
	@$(PY) setup bench
	@status=0; for what in import_time modules "notebooks times" \
	    "notebooks growth" "notebooks memory" site; do \
	    echo "== $$what"; $(PY) -m benchmarks.$$what || status=1; \
	done; exit $$status

pairs: ## check that each .py and its .ipynb agree (CH=03: one)
	@$(PY) -m tools.book check "$$CH"

html: ## build the site from the stored outputs: _build/html/index.html
	@$(PY) -m tools.site

html-single: ## one chapter as one HTML file (CH=03, EDITION=zh)
	@$(PY) -m tools.site single "$$CH" "$$EDITION"

handout: ## a folder and a zip for students, no solutions (EDITION=zh)
	@$(PY) -m tools.handout "$$EDITION"

hub: ## a JupyterHub on this machine, to try a class (PORT=8010)
	@$(PY) setup class hub
	@$(PY) -m tools.hub

hub-load: ## what a class needs: N=20 students at once on such a hub
	@$(PY) setup class hub
	@$(PY) -m benchmarks.hub $(N) $(KERNELS)

students: ## push the handout to the students' repository (EDITION=zh)
	@$(PY) -m tools.handout students "$$EDITION" $(if $(TO),"--to=$$TO") \
	    $(if $(filter 1,$(FORCE)),--force)

assignment: ## exercises as an assignment for nbgrader (CH=03 EDITION=zh)
	@$(PY) -m tools.assignment "$$CH" "$$EDITION"

course: ## an assignment, and what students get of it (CH=03 EDITION=zh)
	@$(PY) setup grade
	@$(PY) -m tools.assignment "$$CH" "$$EDITION"
	@$(PY) -m tools.grade hand-out "$$CH"

grade: ## grade what was handed in, each in a sandbox (CH=03)
	@$(PY) setup grade
	@FORCE=$(FORCE) $(PY) -m tools.grade grade "$$CH"

grades: ## feedback and tables anew, after points by hand (CH=03)
	@$(PY) setup grade
	@$(PY) -m tools.grade tables "$$CH"

test-assignment: ## hand out an assignment, and grade it
	@$(PY) setup grade
	$(PY) -m pytest tests/grading

test-image: ## build the image of a class, and use it (needs root, buildah)
	@$(PY) setup class hub
	$(PY) -m pytest -s tests/image

test-site: html ## test the site and JupyterLab in a browser (needs Chromium)
	@$(PY) setup browser class hub
	@if command -v java && command -v npm; then \
	    npm install --silent --no-save --prefix _build/vnu $(VNU); \
	fi >/dev/null
	$(PY) -m pytest -n 2 --dist worksteal tests/browser

links: ## ask each address that the site links to (needs a network)
	@$(PY) -m tools.site links

publish: ## push the site to the branch gh-pages
	@git remote get-url origin >/dev/null || { echo "First say where to push: \
	git remote add origin ADDRESS" >&2; exit 2; }
	@[ "$(FORCE)" = 1 ] || $(MAKE) --no-print-directory stale CH= || { \
	echo "A translation is behind: above is where, and what to do. To publish \
	all the same, with a note there: make publish FORCE=1" >&2; exit 2; }
	@$(MAKE) --no-print-directory html
	@$(PY) setup publish
	$(PY) -m ghp_import --no-jekyll --push --force _build/html

messages: ## bring the catalogs to what the checks say, and compile them
	@$(PY) -m tests.messages

lint: ## check the style of the code
	@$(PY) lint

clean: ## remove what was built, and the caches; all else stays
	@$(PY) clean

constraints: ## write constraints.txt anew: the newest set, to be tested next
	$(PYTHON) -m tools.constraints $(ARGS)

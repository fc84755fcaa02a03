# `make demo` and `make test` need Python 3.11 or newer and make, nothing else: each sets up what
# it needs in .venv, once, and again only when pyproject.toml changes.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
DEMO := demo
# Small matrices gain nothing from BLAS threads; beside another process on two cores they cost the
# regressor's example 5 times the CPU time.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help demo test ptx lint types examples docs bench bench-compare bench-record bench-site \
  performance clean
.DELETE_ON_ERROR:

help:
	@echo "make demo      equations from the hare and lynx record and from a chemostat; plots in $(DEMO)/"
	@echo "make test      the whole test suite, doctests included"
	@echo "make ptx       every GPU kernel compiled to PTX, which needs no GPU (Linux; 300 MB, once)"
	@echo "make lint      ruff: lint and format"
	@echo "make types     mypy"
	@echo "make examples  every script of examples/ in its small setting"
	@echo "make docs      the HTML pages, in docs/_build/html"
	@echo "make bench     one quick pass of every benchmark, and the site of bench-site"
	@echo "make bench-compare A=main B=HEAD  two commits; status 1 if B is slower (BENCH=NAME for some)"
	@echo "make bench-record A=main~10..main  measure commits, keep the results in asv_bench/results"
	@echo "make bench-site  the kept results as a site, in asv_bench/.asv/html"
	@echo "make performance  measure again what the page Performance shows (idle machine; RIVAL=FOLDER)"
	@echo "make clean     remove .venv and everything built"

$(PY):
	@command -v $(PYTHON) >/dev/null || { \
	  echo "smnn_np needs Python 3.11 or newer, and '$(PYTHON)' was not found: install it, or name one with 'make PYTHON=python3.12 ...'."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "smnn_np needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) -V 2>&1): name a newer one with 'make PYTHON=python3.12 ...'."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON)' lacks the venv module: install it (Debian and Ubuntu: 'apt install python3-venv') and try again."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# .venv/.has-EXTRA stands for "the package and its extra EXTRA are installed".
$(VENV)/.has-%: pyproject.toml | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

demo: $(VENV)/.has-plot
	@mkdir -p $(DEMO)
	@echo; echo "== Hare and lynx, 1900 to 1920"; echo
	$(PY) -m smnn_np discover --plot $(DEMO)/hare_lynx.png
	@echo; echo "== Algae and rotifers in a chemostat, run C1"; echo
	$(PY) -m smnn_np discover --example chemostat --plot $(DEMO)/chemostat.png
	@echo; echo "Plots: $(DEMO)/hare_lynx.png $(DEMO)/chemostat.png"

test: $(VENV)/.has-test
	$(ONE_THREAD) $(PY) -m pytest -n 2 --dist worksteal

# numba-cuda cannot be imported with NumPy 2.5 and newer: it gets an environment of its own.
$(VENV)/ptx/.done: | $(PY)
	$(PYTHON) -m venv $(VENV)/ptx
	$(VENV)/ptx/bin/python -m pip install --quiet --disable-pip-version-check \
	  "numba-cuda[cu12]>=0.22" "numpy<2.5"
	@touch $@

# Sizes of the solver's kernels: Q V R and central rows; of the smoother's: R p and varying.
ptx: $(VENV)/ptx/.done
	@set -e; for sizes in "1 1 2 1" "9 9 3 0" "3 0 0" "5 2 1"; do \
	  echo "== tests/compile_kernels.py $$sizes"; \
	  PYTHONPATH=. NUMBA_ENABLE_CUDASIM=0 $(VENV)/ptx/bin/python tests/compile_kernels.py $$sizes; \
	done

lint: $(VENV)/.has-lint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.has-lint
	$(VENV)/bin/mypy

examples: $(VENV)/.has-plot
	@set -e; for script in examples/plot_*.py; do \
	  echo "== $$script"; MPLBACKEND=Agg $(ONE_THREAD) $(PY) $$script; done

docs: $(VENV)/.has-docs
	MPLBACKEND=Agg $(ONE_THREAD) $(PY) -m sphinx -W --keep-going -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

# asv asks about the machine unless a file in HOME tells it: give it a HOME of its own. MACHINE is
# the name under which results are kept; those of "local" are not for the repository.
MACHINE ?= local
ASV := $(ONE_THREAD) NUMBA_NUM_THREADS=1 ../$(VENV)/bin/asv
# A first call compiles, on a slow machine for minutes.
PATIENT := -a timeout=400
# For a history of CPU times three samples are enough, after the first call that each setup makes.
SAMPLES := $(PATIENT) -a rounds=1 -a repeat=3 -a warmup_time=0
A ?= main
B ?= HEAD
PICK = --machine $(MACHINE) $(if $(BENCH),--bench $(BENCH))

$(VENV)/.asv-$(MACHINE): $(VENV)/.has-bench
	@mkdir -p $(VENV)/asv-home
	cd asv_bench && HOME=../$(VENV)/asv-home ../$(VENV)/bin/asv machine --yes --machine $(MACHINE)
	@touch $@

bench bench-compare bench-record bench-site: export HOME := $(CURDIR)/$(VENV)/asv-home
bench: $(VENV)/.asv-$(MACHINE)
	cd asv_bench && $(ASV) check --python=same
	cd asv_bench && $(ASV) run --python=same --quick $(PATIENT) --show-stderr $(PICK)
	$(MAKE) --no-print-directory bench-site

bench-compare: $(VENV)/.asv-$(MACHINE)
	cd asv_bench && $(ASV) continuous --factor 1.1 $(PICK) $(A) $(B)

bench-record: $(VENV)/.asv-$(MACHINE)
	cd asv_bench && $(ASV) run --skip-existing --show-stderr $(SAMPLES) $(PICK) $(A)

bench-site: $(VENV)/.asv-$(MACHINE)
	cd asv_bench && $(ASV) publish
	@echo "To look at it: cd asv_bench && ../$(VENV)/bin/asv preview"

performance: $(VENV)/.has-bench
	$(PY) -m smnn_np.bench --all --rst docs/bench $(if $(RIVAL),--rival $(RIVAL))

clean:
	rm -rf $(VENV) $(DEMO) dist docs/_build docs/auto_examples docs/generated docs/gen_modules \
	  asv_bench/.asv .pytest_cache .mypy_cache .ruff_cache
	find smnn_np tests asv_bench examples -name __pycache__ -type d -prune -exec rm -rf {} +

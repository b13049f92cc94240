PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.done
CODE := camvid stages workflows tests benchmarks docs

.PHONY: setup fmt docs site wheel-test consumers check test demo bench bench-export scaling kill-run \
	evaluate evaluate-real evaluate-semi-real train-demo bench-train clean

setup: $(DONE)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$@ -m pip install --quiet --upgrade pip

# Compiling all that is installed takes longer than compiling what is imported.
INSTALL := $(BIN)/python -m pip install --quiet --no-compile -c constraints.txt

$(DONE): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e '.[dev]'
	$(BIN)/camvid models fetch u2netp || echo "no saliency network: motion evidence alone"
	touch $@

fmt: $(DONE)
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

docs: $(DONE)
	$(BIN)/python -c 'from camvid.report.columns_page import columns_page as p; print(p(), end="")' \
		> docs/COLUMNS.md
	$(BIN)/camvid settings > docs/SETTINGS.md
	$(BIN)/typer workflows.cli.main utils docs --name camvid --title "The command line" \
		--output docs/CLI.md

site: $(DONE)
	$(INSTALL) -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The package as users get it, outside the checkout: nothing of it is in reach. torch is what
# README's Python asks for.
wheel-test:
	rm -rf build/lib
	folder=$$(mktemp -d) && $(PYTHON) -m venv $$folder/venv \
		&& $$folder/venv/bin/pip wheel --quiet --no-deps --wheel-dir $$folder . \
		&& $$folder/venv/bin/pip install --quiet --no-compile -c constraints.txt \
			"camvid[export] @ file://$$(echo $$folder/*.whl)" torch \
		&& (cd $$folder && venv/bin/python -I $(CURDIR)/tests/from_wheel.py) && rm -rf $$folder

# Trainer and production models are checked and tested with torch, which the pipeline does without.
$(DONE)-torch: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e '.[dev,docs,models,train]'
	$(BIN)/camvid models fetch u2netp || echo "no saliency network: motion evidence alone"
	$(BIN)/camvid models fetch xfeat xfeat-lighterglue aliked-n16 aliked-lightglue || echo "no learned features: SIFT alone"
	touch $(DONE) $@

# Tools that read our exports, each in a folder of its own without what it pins: its test puts the
# folder before the packages that are installed here.
CONSUMERS := $(patsubst tests/exports/consumers/%.txt,build/consumers/%,$(wildcard tests/exports/consumers/*.txt))

build/consumers/%: tests/exports/consumers/%.txt | $(DONE)-torch
	rm -rf $@
	$(BIN)/python -m pip install --quiet --no-compile --no-deps --target $@ -r $< \
		|| echo "no $*: its test is skipped"

consumers: $(CONSUMERS)
	$(BIN)/python -m pytest tests/exports/test_consumers.py

check: $(DONE)-torch
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/codespell $(CODE) *.md

# One process more than cores, as tests of faults wait much of their time.
# PYTHONPATH: TransNetV2's package installs a folder `tests`, which Ray's workers may find before ours.
test: $(DONE)-torch $(CONSUMERS)
	OMP_NUM_THREADS=1 PYTHONPATH=$(CURDIR) $(BIN)/python -m pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist loadfile --no-loadscope-reorder tests

demo: $(DONE)
	$(BIN)/camvid demo --out runs/demo

bench: $(DONE)
	$(BIN)/python -m benchmarks.performance --write docs/PERFORMANCE.md

bench-export: $(DONE)
	$(BIN)/python -m benchmarks.performance --only export --clips 100 --repeats 1

scaling: $(DONE)
	$(BIN)/python -m benchmarks.scaling --write docs/SCALING.md

# Videos are cut from those in DATA, which are no part of the project.
kill-run: DATA ?= ../shared/clips
kill-run: $(DONE)
	$(BIN)/python -m benchmarks.kill_run $(DATA) --out runs/kill_run

evaluate: $(DONE)
	$(BIN)/python benchmarks/accuracy.py --write docs/ACCURACY.md --readme README.md

# Real footage with known masks, cameras and depth is no part of the project: DATA is where it lies.
evaluate-semi-real: DATA ?= ../shared
evaluate-semi-real: $(DONE)
	$(BIN)/python benchmarks/semi_real.py --data $(DATA) --write docs/SEMI_REAL.md

evaluate-real: DATA ?= ../shared/real
evaluate-real: $(DONE)
	$(BIN)/python benchmarks/real.py $(DATA) --write docs/REAL.md

train-demo: $(DONE)-torch
	$(BIN)/python benchmarks/train_demo.py --out runs/train_demo --write docs/TRAIN.md

bench-train: $(DONE)-torch
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/training.py --size middle --repeats 5
	$(BIN)/python benchmarks/loaders.py
	$(BIN)/python benchmarks/streaming.py

clean:
	rm -rf $(VENV) runs build *.egg-info .pytest_cache .ruff_cache

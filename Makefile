PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.done
CODE := camvid stages workflows tests benchmarks

.PHONY: setup fmt check test demo bench evaluate clean

setup: $(DONE)

$(DONE): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	$(BIN)/python -m camvid.weights fetch u2netp || echo "no saliency network: motion evidence alone"
	touch $(DONE)

fmt: $(DONE)
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

# Types of the trainer are checked against torch, which the pipeline itself does without.
$(DONE)-train: $(DONE)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,train]'
	touch $@

check: $(DONE)-train
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/codespell camvid stages workflows tests benchmarks README.md docs

test: $(DONE)
	$(BIN)/python -m pytest tests

demo: $(DONE)
	$(BIN)/camvid demo --out runs/demo

bench: $(DONE)
	$(BIN)/python benchmarks/pipeline.py

evaluate: $(DONE)
	$(BIN)/python benchmarks/accuracy.py --write docs/ACCURACY.md

clean:
	rm -rf $(VENV) runs build *.egg-info .pytest_cache .ruff_cache

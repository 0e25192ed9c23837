# Every routine of the project; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CHROMIUM ?= chromium

.PHONY: help demo test check search fuzz samples picture bench wheel clean
.DEFAULT_GOAL := help

help:  ## list what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.tests: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev,ocr,oracles]'
	@touch $@

demo: $(VENV)/.installed  ## install and grade sample_submissions/ into results/
	$(BIN)/grader grade sample_submissions --rubric sample_submissions/rubric.toml --output results

test: $(VENV)/.tests  ## run everything: lint, types, all tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadgroup

check: $(VENV)/.tests  ## the quick inner loop: lint, types, fast tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadgroup -m 'not slow and not browser'

search: $(VENV)/.tests  ## draw new cases for every property test, for half an hour or so
	HYPOTHESIS_PROFILE=search $(BIN)/pytest -n 2 --dist loadgroup -m hypothesis

fuzz: $(VENV)/.tests  ## try changed samples at every border, for an hour; what is found lies in .fuzz/
	$(BIN)/python -W ignore benchmarks/fuzz.py

samples: $(VENV)/.tests  ## make the sample submissions again from their sources
	$(BIN)/python tests/samples/make.py

picture: demo  ## take the README's picture of a feedback page again, with Chromium
	$(CHROMIUM) --headless --no-sandbox --disable-gpu --hide-scrollbars --force-device-scale-factor=1 \
	  --window-size=1100,1330 --screenshot=docs/feedback.png file://$(CURDIR)/results/feedback/b12303055/feedback.html
	$(BIN)/python -c "from PIL import Image; Image.open('docs/feedback.png').convert('RGB').quantize(128).save('docs/feedback.png', optimize=True)"

bench: $(VENV)/.tests  ## CPU and wall time per submission, stage by stage, as ratios in one run
	$(BIN)/python benchmarks/submissions.py

wheel: $(VENV)/.tests  ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

clean:  ## remove what was built; results/ stays
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache

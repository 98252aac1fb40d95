# Everything runs in .venv, which `make` sets up itself.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SOURCES := $(shell find runtime -name '*.cc' -o -name '*.h' -o -name '*.inc' 2>/dev/null)

.PHONY: demo test check build bench format clean

demo: $(READY) ## trains, compiles and runs handwritten digits; the files are left in ./demo
	$(BIN)/qcompile demo -o demo

test: $(READY) build ## what CI calls
	$(BIN)/cmake --build build/dev && $(BIN)/ctest --test-dir build/dev --output-on-failure
	$(BIN)/cmake --build build/sanitized && $(BIN)/ctest --test-dir build/sanitized --output-on-failure
	$(BIN)/python -m pytest

check: $(READY) ## formatting, lint, types
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy
	@if [ -n "$(SOURCES)" ]; then $(BIN)/clang-format --dry-run --Werror $(SOURCES); fi

format: $(READY)
	$(BIN)/ruff format . && $(BIN)/ruff check --fix . && $(BIN)/clang-format -i $(SOURCES)

build: $(READY) ## the C++ library, again, into the environment; and its tests
	$(BIN)/pip install -q -c constraints.txt --no-build-isolation --no-deps -e .
	$(BIN)/cmake -S . -B build/dev -G Ninja -DCMAKE_BUILD_TYPE=Release -DQCOMPILE_TESTS=ON
	$(BIN)/cmake -S . -B build/sanitized -G Ninja -DCMAKE_BUILD_TYPE=Debug -DQCOMPILE_TESTS=ON -DQCOMPILE_SANITIZE=ON

bench: $(READY) ## speed against onnxruntime, interleaved
	$(BIN)/python bench/matmul.py

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt scikit-build-core cmake ninja
	$(BIN)/pip install -q -c constraints.txt --no-build-isolation -e '.[train,dev]'
	touch $@

clean:
	rm -rf build dist $(VENV) demo

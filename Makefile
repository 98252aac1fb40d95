# Everything runs in .venv, which `make` sets up itself: Python 3.11, a C++ compiler and make are enough.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OLD := build/old-onnxruntime
SOURCES = $(shell git ls-files '*.cc' '*.h' '*.inc')
CMAKE = $(BIN)/cmake -S . -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja -DQCOMPILE_TESTS=ON

.PHONY: demo test check build bench format old-onnxruntime clean

demo: $(READY) ## trains, compiles and runs handwritten digits; leaves the files in ./demo
	$(BIN)/qcompile demo -o demo

test: build ## the C++ tests, plain, under ASan + UBSan and under TSan, then the Python tests
	$(BIN)/ctest --test-dir build/dev --output-on-failure
	$(BIN)/ctest --test-dir build/sanitized --output-on-failure
	$(BIN)/ctest --test-dir build/races --output-on-failure -R 'threads_test|planted_race'
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

check: $(READY) ## formatting, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(SOURCES)

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(SOURCES)

build: $(READY) ## the C++ library into the environment, and its tests
	$(BIN)/pip install -q --no-build-isolation --no-deps -e .
	$(CMAKE) -B build/dev -DCMAKE_BUILD_TYPE=Release
	$(CMAKE) -B build/sanitized -DCMAKE_BUILD_TYPE=Debug -DQCOMPILE_SANITIZE=ON
	$(CMAKE) -B build/races -DCMAKE_BUILD_TYPE=Debug -DQCOMPILE_RACES=ON
	$(BIN)/cmake --build build/dev
	$(BIN)/cmake --build build/sanitized
	$(BIN)/cmake --build build/races --target threads_test planted_race

bench: build ## speed against the rivals that are installed (pip install '.[bench]'), interleaved
	$(BIN)/python bench/matmul.py
	$(BIN)/python bench/integer_layers.py
	$(BIN)/python bench/networks.py

old-onnxruntime: $(OLD)/.ready ## the oldest supported onnxruntime; tests use it through QCOMPILE_OLD_PYTHON

$(OLD)/.ready:
	$(PYTHON) -m venv $(OLD)
	$(OLD)/bin/pip install -q onnxruntime==1.17.3 'numpy<2'
	touch $@

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt scikit-build-core cmake ninja
	$(BIN)/pip install -q -c constraints.txt --no-build-isolation -e '.[train,dev]'
	touch $@

clean:
	rm -rf build dist demo $(VENV)

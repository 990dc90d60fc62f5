# Each target sets up its own environment in .venv and needs only Python 3.10+, a C++ compiler and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find csrc cuda CMakeLists.txt pyproject.toml -type f 2>/dev/null)

.PHONY: demo test bench bench-kernels lint format clean

demo: $(VENV)/installed
	$(BIN)/minitorch train --out runs/demo

test: $(VENV)/installed
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# The comparison with whatever is installed in .venv (pip install torch), and its pictures.
bench: $(VENV)/installed
	$(BIN)/minitorch bench --memory --json benchmarks/results/latest.json \
	  --roofline benchmarks/results/latest.svg $(BENCH_ARGS)

# The kernels alone, against the machine's ceilings; needs Google Benchmark.
bench-kernels: $(BIN)/pip
	$(BIN)/pip install --quiet "pybind11>=3.0.3" "cmake>=3.24" ninja
	PATH="$(CURDIR)/$(BIN):$$PATH" cmake -S . -B build/bench -G Ninja -DMINITORCH_BENCH=ON \
	  -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python
	PATH="$(CURDIR)/$(BIN):$$PATH" cmake --build build/bench --target minitorch_bench
	build/bench/minitorch_bench $(BENCH_ARGS)

lint: $(VENV)/tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	git ls-files '*.h' '*.cpp' '*.cu' '*.cuh' | xargs $(BIN)/clang-format --dry-run --Werror

format: $(VENV)/tools
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	git ls-files '*.h' '*.cpp' '*.cu' '*.cuh' | xargs $(BIN)/clang-format -i

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

# The extension is rebuilt when a C++ source has changed; Python sources are used in place.
$(VENV)/installed: $(BIN)/pip $(SOURCES)
	$(BIN)/pip install --quiet "scikit-build-core>=0.10" "pybind11>=3.0.3" "cmake>=3.24" ninja
	$(BIN)/pip install --no-build-isolation $(PIP_ARGS) -e ".[test]"
	touch $@

$(VENV)/tools: $(BIN)/pip
	$(BIN)/pip install --quiet ruff==0.17.6 mypy==2.4.1 clang-format==23.1.5 numpy
	touch $@

clean:
	rm -rf $(VENV) build

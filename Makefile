# Two commands: `make run` builds the airlines lakehouse from landed files, `make test` passes the tests.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
AZURITE := $(or $(LAKEHOUSE_CACHE),$(HOME)/.cache/lakehouse-assets)/azurite
AZURITE_LOCK := lakehouse_assets_tests/servers/azurite_packages/package-lock.json
export DAGSTER_DISABLE_TELEMETRY := 1
# Of whom to pay, and where a licence can be read, a lock says nothing.
define WITHOUT_ADDRESSES
import json, pathlib, sys
lock = pathlib.Path(sys.argv[1])
told = json.loads(lock.read_text())
told["packages"] = {n: {k: v for k, v in p.items() if k not in ("funding", "license")} for n, p in told["packages"].items()}
lock.write_text(json.dumps(told, indent=2) + "\n")
endef
export WITHOUT_ADDRESSES

.PHONY: run test soak lint bench dev wheel setup azurite lock clean

run: setup
	@$(BIN)/lakehouse land airlines
	@$(BIN)/lakehouse run

test: setup
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# What the tests do a few times, twenty times and more, and of what they try some cases, all. It damages some eight
# thousand files, lands ten thousand blobs, kills and interrupts runs at any moment and at each boundary, and writes
# random rows by both engines.
soak: setup
	@SOAK_ROUNDS=$${SOAK_ROUNDS:-20} $(BIN)/python -m pytest -n 2 --dist loadfile \
	  $$(grep -rlE --include='test_*.py' 'SOAK_ROUNDS|\.soak import|IN_ONE' lakehouse_assets_tests)

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: setup
	@$(BIN)/python -m benchmarks

# exec, so that Ctrl-C and TERM reach the server itself. `make dev MLFLOW=5001` serves MLflow's UI on that port too.
dev: setup
	@exec $(BIN)/lakehouse dev $(if $(MLFLOW),--mlflow $(MLFLOW))

# What a cluster installs: no tests, no samples, and nothing in place of its own Spark.
wheel: setup
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w dist .
	@rm -rf build && ls dist/*.whl

setup: .venv/.installed

.venv/.installed: requirements.lock pyproject.toml setup.cfg
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null \
	  || { echo "Python 3.11 is missing: install it (Debian: apt-get install python3.11 python3.11-venv), or pass PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { echo "Python's venv module is missing: install it (Debian: apt-get install python3.11-venv)"; exit 1; }
	@java -version 2>&1 | grep -qE 'version "(1[7-9]|[2-9][0-9])' \
	  || { echo "Java 17 is missing: install it (Debian: apt-get install openjdk-17-jre-headless)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the pinned packages into .venv (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo "Resolving the pinned JARs"
	@$(BIN)/python -c 'from lakehouse_assets.resources.jars import jar_folder; from lakehouse_assets.settings import read_settings; jar_folder(read_settings().cache)'
	@touch $@

# Stands for Azure Storage and Cosmos DB in the tests. npm writes the hidden file at the end; nothing of the packages is run.
azurite:
	@cmp -s $(AZURITE_LOCK) "$(AZURITE)/package-lock.json" && test -f "$(AZURITE)/node_modules/.package-lock.json" \
	  || { mkdir -p "$(AZURITE)" && cp $(dir $(AZURITE_LOCK))*.json "$(AZURITE)" && cd "$(AZURITE)" \
	    && npm ci --ignore-scripts --silent --no-audit --no-fund >/dev/null; }

# Pins every package, dependencies and all (so installing needs no resolving) with its hashes; needs `uv` and `npm`.
lock:
	uv pip compile pyproject.toml --extra local --extra azure --extra databricks --extra kafka --extra postgres --extra cosmos --extra models --extra deep --extra dev --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --no-annotate --python-version 3.11 -o requirements.lock
	npm install --prefix $(dir $(AZURITE_LOCK)) --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund
	$(PYTHON) -c "$$WITHOUT_ADDRESSES" $(AZURITE_LOCK)

clean:
	-$(BIN)/lakehouse engine stop
	rm -rf .venv .lakehouse .dagster

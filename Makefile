PYTHON ?= python3
FLAKEHOUSE = .venv/bin/flakehouse
PYTEST = .venv/bin/python -m pytest

# Python starts often here: what it compiled is worth keeping.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo dev notebooks docs spark postgres test proof bench lint format lock clean

help:  ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/ready  ## two weeks of a simulated lab, from five APIs to published marts
	@$(FLAKEHOUSE) demo

dev: .venv/ready  ## the Dagster UI over the same project
	@$(FLAKEHOUSE) dev

notebooks: .venv/ready  ## flakiness, failures, devices and the Monday review, as pages over the published warehouse
	@$(FLAKEHOUSE) notebooks

docs: .venv/ready  ## the warehouse's models and columns as one page, from the published build
	@.venv/bin/python -m pipelines.cli.documenting

test: .venv/ready-dev lint  ## every check, a small size of each proof included
	$(PYTEST) -m "not proof" -n 2 --dist loadfile -q

# Spark's checks skip without Java: then its half a gigabyte stays away too. The deployment's skip without PostgreSQL.
proof: .venv/ready-dev $(if $(shell command -v java),.venv/ready-spark) $(if $(shell command -v pg_createcluster),.venv/ready-postgres)  ## the full sizes, in hours
	$(PYTEST) -m proof --hypothesis-profile=search -q

postgres: .venv/ready-postgres  ## what a deployment with Dagster's storage on PostgreSQL needs (deploy/)

spark: .venv/ready-spark  ## what `flakehouse build --target spark` needs beside Java 17

bench: .venv/ready requirements-bench.lock  ## speed and memory, beside dlt and beside what the machine allows
	@.venv/bin/uv pip install --quiet --python .venv --require-hashes -r requirements-bench.lock
	.venv/bin/python -m bench.executions
	.venv/bin/python -m bench.commands
	.venv/bin/python -m bench.memory

lint: .venv/ready-dev
	@.venv/bin/ruff format --check --quiet . || { echo "run 'make format'"; exit 1; }
	@.venv/bin/ruff check --quiet .

format: .venv/ready-dev
	.venv/bin/ruff check --quiet --fix .; .venv/bin/ruff format --quiet .

lock: .venv/ready  ## the pinned requirements, anew from pyproject.toml
	.venv/bin/uv pip compile pyproject.toml --group install --universal --no-strip-extras --generate-hashes --upgrade -q -o requirements.lock
	.venv/bin/uv pip compile pyproject.toml --group dev -c requirements.lock --universal --no-strip-extras --generate-hashes --upgrade -q -o requirements-dev.lock
	.venv/bin/uv pip compile pyproject.toml --group bench -c requirements.lock -c requirements-dev.lock --universal --no-strip-extras --generate-hashes --upgrade -q -o requirements-bench.lock
	.venv/bin/uv pip compile pyproject.toml --group spark -c requirements.lock -c requirements-dev.lock --universal --no-strip-extras --generate-hashes --upgrade -q -o requirements-spark.lock
	.venv/bin/uv pip compile pyproject.toml --group postgres -c requirements.lock -c requirements-dev.lock --universal --no-strip-extras --generate-hashes --upgrade -q -o requirements-postgres.lock

clean:  ## remove .venv and everything the demo wrote
	rm -rf .venv .flakehouse

.venv/ready: requirements.lock requirements-installer.lock pyproject.toml
	@echo "setting up .venv (once)"
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@.venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "flakehouse needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-installer.lock
	@.venv/bin/uv pip install --quiet --python .venv --require-hashes --compile-bytecode -r requirements.lock
	@.venv/bin/uv pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	@touch $@

.venv/ready-dev: .venv/ready requirements-dev.lock
	@.venv/bin/uv pip install --quiet --python .venv --require-hashes -r requirements-dev.lock
	@touch $@

.venv/ready-spark: .venv/ready requirements-spark.lock
	@.venv/bin/uv pip install --quiet --python .venv --require-hashes --build-constraints requirements-spark.lock --compile-bytecode -r requirements-spark.lock
	@touch $@

.venv/ready-postgres: .venv/ready requirements-postgres.lock
	@.venv/bin/uv pip install --quiet --python .venv --require-hashes -r requirements-postgres.lock
	@touch $@

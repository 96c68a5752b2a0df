# Every target works as the very first command on a fresh Debian 12 machine with root.
SHELL := /bin/bash
CACHE ?= $(or $(SIDESTEP_CACHE),/var/cache/sidestep)
STACK ?= lab
UV := uv==0.13.8
export SIDESTEP_CACHE := $(CACHE)
export SIDESTEP_STORAGE := $(or $(STORAGE),$(SIDESTEP_STORAGE))
# some machines' environments forbid Python its compiled files: every command would compile anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo demo-over demo-back test test-all unit check-style lab-up lab-down ceph-up ceph-down packages tools environment

help: ## what there is
	@grep -E '^[a-z -]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | column -ts $$'\t'

environment: .venv/ready ## Python environment with the migrate command and what tests need

.venv/ready: requirements.txt requirements-dev.txt pyproject.toml
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -yqq python3-venv; }
	@test -x .venv/bin/python || python3 -m venv .venv
	@.venv/bin/pip install -q --disable-pip-version-check $(UV)
	@.venv/bin/uv pip install -q --python .venv/bin/python -r requirements-dev.txt
	@touch $@

tools: environment ## Pulumi CLI, Python language host, OpenStack provider: found or built
	@tools/install

packages: environment ## what the lab and the rig need of Debian on this host
	@.venv/bin/python -m tests.lab packages

lab-up: packages ## build and start the source cloud in containers; STORAGE=ceph: on Ceph
	@.venv/bin/python -m tests.lab up

lab-down: packages ## leave nothing of the lab behind, nor of its stack
	@tools/run python -m tests.lab down

ceph-up: packages ## build and start the small Ceph cluster
	@.venv/bin/python -m tests.lab.ceph up

ceph-down: packages ## leave nothing of it behind
	@.venv/bin/python -m tests.lab.ceph down

demo: packages tools ## the main job in the lab: up, over, proven, and back
	@tools/run python -m tests.lab.demo

demo-over demo-back: packages tools ## one half of it
	@tools/run python -m tests.lab.demo $(@:demo-%=%)

check-style: environment ## ruff and mypy, and no checkout's own secret in a stack's file
	@! git grep -n ^encryptionsalt HEAD -- stacks || { echo 'Pulumi wrote this checkout'"'"'s salt there: no other checkout could use the stack; take the line out' >&2; exit 1; }
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy --cache-dir "$$(mkdir -p $(CACHE)/mypy 2>/dev/null && test -w $(CACHE)/mypy && echo $(CACHE)/mypy || echo .mypy_cache)"

unit: environment ## tests that need nothing but Python
	@.venv/bin/pytest -q -m 'not integration and not rig and not lab and not bare'

test: check-style packages tools ## what CI runs: everything but the named sets
	@tools/run .venv/bin/pytest -v -n 2

test-all: packages tools ## every named set, or `SET=faults,existing`; the record is docs/proofs.md
	@tools/run python -m tests.sets $(SET)

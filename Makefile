# The two commands of this project are `make run` and `make test`; README.md says what they do.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
DEMO := build/demo

.PHONY: help run test demo dist bench soak lint docs codes-report clean-demo

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## build and start the archive on this machine (data in ./data)
	scripts/install-build-needs
	$(CARGO) build --release --locked -p pacs-server
	scripts/install-viewer || echo "The archive runs without the viewer: /ohif/ says that it is not installed, all else works." >&2
	exec $(TARGET)/release/pacs-server serve

test: ## install what the tests need and run all of them
	scripts/install-build-needs
	scripts/install-test-needs
	scripts/run-tests

demo: ## generate realistic synthetic studies and load them into the archive of `make run`
	$(CARGO) build --release --locked -p pacs-server -p fixtures
	$(TARGET)/release/fixtures demo --out $(DEMO)
	$(TARGET)/release/pacs-server import $(DEMO) --source demo

dist: ## one archive to install on a server without internet: build/dist/pacs-server-VERSION-linux-ARCH.tar.gz
	scripts/dist

lint: ## formatting, clippy, dependencies, documentation
	scripts/lint

bench: ## measure this build: against a null sink and DCMTK, index growth, restart, PostgreSQL, S3, rebuild
	scripts/bench

codes-report: ## how well headers are mapped to national codes: coverage, precision, harm, confusions
	scripts/codes-report

soak: ## the long runs: power losses, kills, mutations (SOAK_MINUTES=60)
	scripts/soak

clean-demo: ## remove the generated studies
	rm -rf $(DEMO)

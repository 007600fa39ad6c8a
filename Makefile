# `make install`, `make run`, `make check` and `make test` are what matters. The work is done by the scripts they name.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help install run console check test site dist bench-recording setup fmt clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

install: ## Install what is missing, build, and put `restage` into PREFIX/bin (~/.local, as root /usr/local)
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install.sh

run: ## Install what is missing, build, and start a server with its data in ./data
	@scripts/setup.sh run
	@scripts/run.sh

console: ## Build the console's pages, which the next build of the server contains
	@scripts/setup.sh run
	@scripts/console.sh

check: ## Format, lint, boundaries, unit and scenario tests: minutes, once it has been built
	@scripts/setup.sh test
	@scripts/test.sh check

test: ## Install what is missing and run every check and test
	@scripts/setup.sh test
	@scripts/test.sh all

site: ## Build the documentation as a site into docs/site/out, and check its links
	@scripts/setup.sh site
	@cd docs/site && node site.js

dist: ## Build a release into dist/: archive, Debian package, container image, packages for pip and npm
	@scripts/dist.sh

bench-recording: ## Measure recordings for an hour or two: sound against pictures, kills, a failing S3, what they cost
	@scripts/setup.sh test
	@scripts/bench_recording.sh

setup: ## Only install what `make test` needs
	@scripts/setup.sh test

fmt: ## Format Rust, Python and JavaScript in place
	@scripts/fmt.sh

clean: ## Remove everything that was built or installed inside this directory, but not ./data
	rm -rf target dist .venv .node js/node_modules js/*/node_modules js/*/dist js/*/.test conformance/*/node_modules conformance/output conformance/sdk-java/target \
		docs/site/node_modules docs/site/out docs/site/pages docs/site/.rspress

# The whole project by `make`. On a bare Debian 12: python3.11 with pip, make and git are enough; the rest is fetched, locked, into .venv and .tools.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.ONESHELL:
.SHELLFLAGS := -eu -c

PG ?= 18
BIN := .venv/bin
DATA := $(or $(PORTAL_DATA_DIR),.portal)
# Debian's own before another one on the PATH: it is built with the compiler's profile, which takes a tenth off every request.
PYTHON := $(or $(wildcard /usr/bin/python3.11),$(shell command -v python3.11),$(shell command -v python3))
UV := $(or $(shell command -v uv),.tools/bin/uv)

# uv installs packages here, never an interpreter: the machine's own is used.
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := .venv
export VIRTUAL_ENV := $(CURDIR)/.venv
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export NPM_CONFIG_UPDATE_NOTIFIER := false
# Where the registry can't be reached npm says so within seconds, not minutes.
export NPM_CONFIG_FETCH_RETRY_MINTIMEOUT := 1000
export NPM_CONFIG_FETCH_RETRY_MAXTIMEOUT := 4000
# The machine's own certificates, where it has them: company proxies are known there and nowhere else.
CERTIFICATES := $(wildcard /etc/ssl/certs/ca-certificates.crt)
export UV_SYSTEM_CERTS := $(if $(CERTIFICATES),true,false)
ifneq ($(CERTIFICATES),)
export NODE_EXTRA_CA_CERTS ?= $(CERTIFICATES)
endif

# Node 22.12 or newer, else the one that requirements.lock brought along.
WITH_NODE := node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 22 || (a == 22 && b >= 12) ? 0 : 1)' 2>/dev/null \
	&& command -v npm >/dev/null || export PATH="$(CURDIR)/$(BIN):$$PATH"

BROWSER := { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null

.PHONY: help up reset install page page-or-reason test browser test-stripe-live e2e screenshots check check-python check-page lock bench clean

help:  ## List these targets
	@sed -n 's/^\([a-z0-9-]*\):.*  ## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F '\t' '{printf "  make %-16s %s\n", $$1, $$2}'

up: $(BIN)/.installed page-or-reason  ## Install, build and run everything with demo data; Ctrl-C stops it
	@exec $(BIN)/portal up --end-with-parent

reset: $(BIN)/.installed  ## Throw the development data away; the next `make up` starts afresh
	@$(BIN)/portal reset

install: $(BIN)/.installed  ## Install the locked Python packages into .venv

test: $(BIN)/.installed page-or-reason browser  ## Run the tests; PG=16 for PostgreSQL 16 instead of 18
	@if $(BROWSER); then
		PORTAL_TEST_PG=$(PG) $(BIN)/pytest $(ARGS)
	else
		PORTAL_TEST_PG=$(PG) $(BIN)/pytest -m 'not e2e' $(ARGS)
		echo 'The tests in a real browser were left out: there is no Chromium, and only root can install it (apt-get install chromium).'
	fi

# Debian's Chromium, for the tests in a real browser. Whoever is not root does without, and is told so.
browser:
	@$(BROWSER) || [ "$$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null || {
		echo 'Installing Chromium ...'
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core >/dev/null
	}

test-deep: $(BIN)/.installed  ## The long proofs: 2,000 random histories, 20 crashes, a long replay, the price of every quantity
	@PORTAL_TEST_PG=$(PG) PORTAL_TEST_EXAMPLES=2000 PORTAL_TEST_CRASHES=20 PORTAL_TEST_REPLAY=20000 \
	PORTAL_TEST_QUANTITIES=1000000 PORTAL_TEST_SALES=500 \
		$(BIN)/pytest tests/spending tests/rules/test_every_quantity.py tests/graphql/test_every_quantity.py -rP $(ARGS)

test-stripe-live: $(BIN)/.installed  ## Run the payment tests against Stripe's test mode; needs STRIPE_API_KEY=sk_test_...
	@if [ -z "$${STRIPE_API_KEY:-}" ]; then
		echo "Skipped: STRIPE_API_KEY=sk_test_... is not set; nothing was tried against Stripe's test mode."
	else
		$(BIN)/pytest -m stripe_live tests/payments $(ARGS)
	fi

e2e: $(BIN)/.installed page  ## Run only the tests in a real browser
	@PORTAL_TEST_PG=$(PG) $(BIN)/pytest tests/e2e $(ARGS)

screenshots: $(BIN)/.installed page  ## Take the pictures of docs/screenshots again
	@$(BIN)/python -m tests.e2e.screenshots

check: check-python check-page  ## Lint, types, layers, file lengths, docs/RULES.md; on both sides

check-python: $(BIN)/.installed
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/lengths.py
	$(BIN)/python docs/check_rules.py

check-page: frontend/node_modules/.installed
	@$(WITH_NODE)
	$(BIN)/portal schema | diff -u frontend/schema.graphql - || { echo 'frontend/schema.graphql is stale: .venv/bin/portal schema > frontend/schema.graphql'; exit 1; }
	cd frontend
	npm run --silent lint
	npm run --silent types
	npm test --silent

bench: $(BIN)/.installed  ## Measure against the peers; ONLY=NAME runs one
	@$(BIN)/python -m bench $(if $(ONLY),--only $(ONLY))

lock: $(UV)  ## Lock the newest versions that pyproject.toml allows
	@$(UV) pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --group dev pyproject.toml \
		-o requirements.lock --custom-compile-command 'make lock'

clean:  ## Remove everything that was installed or built (not the data)
	@rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache frontend/node_modules frontend/dist *.egg-info

# --- the parts -------------------------------------------------------------------------------------------------------

.tools/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo 'python3.11 is needed: apt-get install python3'; exit 1; }
	$(PYTHON) -m pip --version >/dev/null 2>&1 || { echo 'pip is needed, to fetch uv: apt-get install python3-pip'; exit 1; }
	echo 'Fetching uv ...'
	$(PYTHON) -m pip install --quiet --no-warn-script-location --target .tools --upgrade uv

$(BIN)/python: | $(UV)
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv

# The project itself goes in without its dependencies (they are all locked) and without build isolation (its build tool is locked too).
$(BIN)/.installed: requirements.lock pyproject.toml | $(BIN)/python $(UV)
	@echo 'Installing the locked packages ...'
	$(UV) pip sync --quiet --require-hashes requirements.lock
	$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	# What a start imports is compiled once, here, also where the environment tells Python to keep no bytecode.
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -c 'import app.main, app.embedded.services, app.embedded.supervisor, app.jobs.worker'
	touch $@

frontend/node_modules/.installed: frontend/package-lock.json frontend/package.json | $(BIN)/.installed
	@$(WITH_NODE)
	echo 'Installing the locked npm packages ...'
	cd frontend
	npm ci --no-audit --no-fund --loglevel=error
	touch node_modules/.installed

# Built again only when a source is newer than the last build.
page: | $(BIN)/.installed  ## Build the page
	@newer=$$(find frontend -name node_modules -prune -o -name dist -prune -o -name gql -prune \
		-o -type f -newer frontend/dist/index.html -print -quit 2>&1) || newer='there is no page yet'
	test -n "$$newer" || exit 0
	$(MAKE) --silent --no-print-directory frontend/node_modules/.installed
	$(WITH_NODE)
	echo 'Building the page ...'
	cd frontend
	npm run --silent build -- --logLevel warn
	touch dist/index.html

# Without npm's registry the API still starts; the server shows the reason at /.
page-or-reason: | $(BIN)/.installed
	@mkdir -p -m 700 $(DATA)
	log=$(DATA)/page-build.log
	{ $(MAKE) --no-print-directory page 2>&1 && rm -f $$log.failed || touch $$log.failed; } | tee $$log
	if test -e $$log.failed; then
		rm -f $$log.failed
		echo "The page could not be built ($$log); the API starts all the same."
	else
		rm -f $$log
	fi

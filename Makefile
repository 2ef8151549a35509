# Every target makes or updates .venv first, and that takes no time when nothing changed. `make test CONTAINER=` fails
# where the container suite cannot be run; without it the last lines say so.

.DEFAULT_GOAL := help
.PHONY: help run stop test real quick check docs sim bench chaos format setup

ARGS ?=
CONTAINER ?= --if-possible
# What decides, reads, writes and shows, from values, files and databases.
QUICK := $(addprefix tests/,act adopt core decide fleet/core fleet/gpu fleet/store formats node_kinds observe settings storage views)

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: ## bring up three simulated nodes in a sandbox and show them
	@scripts/run_sandbox.sh

stop: ## end the sandbox's nodes and remove it
	@scripts/stop_sandbox.sh

test: setup ## run all tests (ARGS="-k word" for some)
	@.venv/bin/python scripts/run_tests.py -n 3 --dist worksteal $(or $(ARGS),--ignore=tests/reboot --ignore=tests/real)
	@$(if $(ARGS),,echo 'tests/real was left out: make real runs it, on real node programs.')
	@$(if $(ARGS),echo 'With ARGS the container suite is left out: scripts/test.sh runs it.',scripts/test.sh $(CONTAINER))

real: setup ## run tests/real on real node programs that cargo installs (as root; ALL=1 for more of them; ARGS as for test)
	@.venv/bin/python scripts/real_programs.py $(if $(ALL),--all)
	@.venv/bin/python scripts/run_tests.py -n 3 --dist worksteal $(if $(ALL),,-m 'not every_program') $(or $(ARGS),tests/real)

quick: setup ## run the tests of folders that start next to no processes: two minutes at most (ARGS as for test)
	@.venv/bin/python -m pytest -q -n auto -m 'not slow and not systemd' $(or $(ARGS),$(QUICK))

check: setup ## lint, types, direction rules, generated files
	@scripts/check.sh

docs: setup ## build the documentation site
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict
	@echo 'open .site/index.html: no server is needed'

sim: setup ## watch the decision engine run a simulated machine
	@.venv/bin/wnm simulate $(ARGS)

bench: setup ## measure what a cycle costs
	@.venv/bin/python -m tests.bench $(ARGS)

chaos: setup ## inject faults under real nodes (FAULTS=200 SEED=1; REPLAY=1-3 plays one episode again)
	@.venv/bin/python -m tests.chaos $(if $(REPLAY),--replay $(REPLAY),--faults $(or $(FAULTS),200) --seed $(or $(SEED),1)) $(ARGS)

format: setup ## put the code into its one format
	@.venv/bin/ruff check --quiet --fix . ; .venv/bin/ruff format .

setup: ## make or update .venv
	@scripts/setup.sh

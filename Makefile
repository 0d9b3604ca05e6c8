# Two commands matter: `make demo` and `make test`.

# Built things live outside the checkout, so that another checkout or a later run finds them.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/lakegate/target
CARGO ?= cargo
DEMO_DIR ?= demo
DEMO_FLAGS ?=
MINUTES ?= 10
SEED ?= $(shell date +%s)

.DEFAULT_GOAL := help
.PHONY: help build demo test check bench fuzz

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the program (a profile that compiles fast)
	$(CARGO) build --locked --package lakegate --bins

demo: build ## Build, fill ./demo with data and policies, and serve it
	"$(CARGO_TARGET_DIR)/debug/lakegate" demo --dir "$(DEMO_DIR)" $(DEMO_FLAGS)

test: ## Install what the tests need (as root) and run everything
	sh scripts/prepare.sh
	$(MAKE) --no-print-directory check

check: ## Run everything with what is installed
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) test --locked --workspace

bench: ## Measure the promises (release build; takes long)
	$(CARGO) bench --locked

fuzz: ## Search for a difference that hidden data makes, for MINUTES (10), from SEED on
	MINUTES=$(MINUTES) SEED=$(SEED) $(CARGO) test --locked --test it noninterference::noninterference -- --exact --nocapture

# Each target does its own set-up on a fresh machine (Debian, Python 3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo-out

.PHONY: fuzz demo test check bench format docs clean setup servers faults soak dirt bench-intake encodings places provenance corpora guesses bench-kernel bench-refused bench-readers bench-rerun sheets-faults sheets-size

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock.txt pyproject.toml
	$(PYTHON) tools/setup_venv.py $(VENV) requirements.lock.txt
	touch $@

servers: setup
	$(BIN)/python tools/ensure_servers.py

demo: setup
	$(BIN)/python -m demo --out $(OUT)

test: servers
	$(BIN)/python -m pytest -n logical --dist worksteal

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not slow and not postgres and not mysql" -q

bench: servers
	$(BIN)/python -m bench

FAULTS := faults.jsonl

faults: servers
	$(BIN)/python -m loadlock.testing.breaking --results $(FAULTS) --out docs/reliability.md
	$(BIN)/python -m pytest tests/faults --full-faults

soak: servers
	$(BIN)/python -m loadlock.testing.breaking.soak --out docs/soak.md

bench-intake: setup
	$(BIN)/python -m bench.intake

sheets-faults: setup
	$(BIN)/python -m loadlock.testing.sheets_faults --page docs/reliability.md

sheets-size: setup
	$(BIN)/python -m bench.sheets --page docs/reliability.md

bench-kernel: setup
	$(BIN)/python -m bench.kernel

bench-refused: servers
	$(BIN)/python -m bench.refused

bench-readers: servers
	$(BIN)/python -m bench.readers

bench-rerun: servers
	$(BIN)/python -m bench.rerun

bench-json: setup
	$(BIN)/python -m bench.json_records

places: setup
	$(BIN)/python tools/places.py

provenance: setup
	$(BIN)/python -m loadlock.testing.provenance

encodings: setup
	$(BIN)/python -m loadlock.testing.encoding_trial --seeds 2 4 --out docs/encodings.md

corpora: setup
	$(BIN)/python tools/corpora.py

guesses: setup
	$(BIN)/python tools/guesses.py

dirt: setup
	$(BIN)/python tools/dirt.py

FUZZ_SECONDS ?= 600
READERS := csv json ndjson fixed xml excel parquet arrow

fuzz: setup
	for reader in $(READERS); do \
		$(BIN)/python tests/fuzz/fuzz.py $$reader --seconds $(FUZZ_SECONDS) --found fuzz-out || exit 1; \
	done

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup
	$(BIN)/python tools/reference.py

clean:
	rm -rf $(VENV) $(OUT) fuzz-out bench-out build dist faults.jsonl

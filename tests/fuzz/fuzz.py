"""Coverage-guided fuzzing of one reader: `python tests/fuzz/fuzz.py csv --seconds 600 --found DIR`.

Inputs that end in a traceback, lose a row or a byte, hang or grow without bound are written to the folder given, and the
exit code is not 0. What is worth to start from the next time is kept below it, in `corpus/`.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["loadlock"]):
    import readers  # type: ignore[import-not-found]  # it stands beside this script

    import loadlock.intake

    # all of them here: what is imported when it is first used would not be instrumented
    for module in pkgutil.walk_packages(loadlock.intake.__path__, "loadlock.intake."):
        importlib.import_module(module.name)

MEMORY_MB = 2048
LARGEST_BYTES = 16 << 10


def main() -> None:
    """Fuzz until the time is up or something is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", choices=sorted(readers.OPTIONS))
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--found", type=Path, default=Path("fuzz-out"))
    asked = parser.parse_args()
    corpus = asked.found / "corpus" / asked.reader
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(readers.seeds(asked.reader)):
        (corpus / f"seed-{number}").write_bytes(seed)
    arguments = [
        sys.argv[0],
        str(corpus),
        f"-max_total_time={asked.seconds}",
        f"-max_len={LARGEST_BYTES}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-timeout={readers.LIMIT_SECONDS * 2}",
        f"-artifact_prefix={asked.found}/{asked.reader}-",
        "-print_final_stats=1",
        "-verbosity=1",
        "-report_slow_units=10",
        "-len_control=0",
    ]
    atheris.Setup(arguments, lambda data: readers.read(asked.reader, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()

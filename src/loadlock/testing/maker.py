"""Makes a dirty batch whose truth is known: `python -m loadlock.testing.maker OUT --records 900000 --seed 7`.

    made = make_batch(Path("out"), records=900_000, seed=7)

Same arguments, same bytes. Beside the files lie `truth/` (one row a record: where it stands, and the values it must load
with or the reason why it must not, see `loadlock.testing.compare`) and the pipeline that tells Loadlock the rules. The maker
uses nothing of Loadlock: it knows the truth since it wrote the bytes.

Shape `demo`: CSV with differing headers, orders, delimiters and encodings (cp1252 rows in a UTF-8 file, UTF-16, gzip, zstd),
NDJSON and a JSON array with nested objects, every kind of malformed row, duplicate keys across files, blank lines. Shape
`bench`: the job of docs/performance.md, one `orders.csv` of 15 columns and about 168 bytes a record.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from loadlock.testing.maker_faults import CSV_FAULTS, Faults
from loadlock.testing.maker_files import FileMaker, FileSpec, Truth
from loadlock.testing.maker_pipeline import DEMO_TYPES, pipeline_yaml
from loadlock.testing.maker_render import CsvShape, JsonShape
from loadlock.testing.maker_values import Vocabulary

FIRST_ID = 100_001
BENCH_COLUMNS = (
    "order_id", "customer", "email", "phone", "city", "country", "ordered_on", "shipped_on", "amount", "quantity", "paid",
    "status", "note", "weight", "reference",
)  # fmt: skip
BENCH_TYPES = {
    **{name: kind for name, kind in DEMO_TYPES.items() if name in BENCH_COLUMNS},
    "weight": "float",
    "reference": "text",
}
_ENGLISH = {
    "order_id": "Order ID", "customer": "Customer", "email": "E-Mail", "phone": "Phone", "city": "City", "country": "Country",
    "ordered_on": "Ordered on", "shipped_on": "Shipped on", "amount": "Amount", "quantity": "Quantity", "paid": "Paid",
    "status": "Status", "note": "Note",
}  # fmt: skip
_GERMAN = {
    "order_id": "Bestellnummer", "ordered_on": "Bestelldatum", "customer": "Kunde", "city": "Ort", "country": "Land",
    "amount": "Betrag", "note": "Bemerkung", "quantity": "Menge", "paid": "bezahlt", "email": "E-Mail", "phone": "Telefon",
    "shipped_on": "Versanddatum", "status": "Status",
}  # fmt: skip
_PLAIN = {name: name for name in _ENGLISH}
_WITH_NUL = {**CSV_FAULTS, "nul": 0.0003}
_CLEAN_BYTES = {kind: share for kind, share in CSV_FAULTS.items() if kind != "cp1252"}
_JSON_FAULTS = {"broken_json": 0.001, "invalid": 0.005, "duplicate": 0.002}
_NDJSON_FAULTS = {**_JSON_FAULTS, "cut_json": 0.001, "nul": 0.0003}


def _csv(names: Mapping[str, str], delimiter: str = ",", record_end: str = "\n") -> CsvShape:
    return CsvShape(columns=tuple(names.items()), delimiter=delimiter, record_end=record_end)


DEMO_FILES = (
    FileSpec(name="orders-01.csv", share=0.3, shape=_csv(_PLAIN), faults=_WITH_NUL, blank_lines=0.001, absent=("tags",)),
    FileSpec(
        name="orders-02.csv", share=0.15, shape=_csv(_GERMAN, ";", "\r\n"), faults=CSV_FAULTS, encoding="utf-8-sig",
        absent=("tags",),
    ),
    FileSpec(
        name="orders-03.tsv", share=0.08, shape=_csv(_ENGLISH, "\t"), faults=_CLEAN_BYTES, encoding="utf-16",
        absent=("tags",),
    ),
    FileSpec(name="orders-04.csv.gz", share=0.12, shape=_csv(_ENGLISH), faults=CSV_FAULTS, absent=("tags",)),
    FileSpec(name="orders-05.csv.zst", share=0.1, shape=_csv(_PLAIN, ";"), faults=CSV_FAULTS, absent=("tags",)),
    FileSpec(
        name="orders-06.ndjson", share=0.15, shape=JsonShape(is_array=False), faults=_NDJSON_FAULTS, blank_lines=0.001
    ),
    FileSpec(name="orders-07.json", share=0.1, shape=JsonShape(is_array=True), faults=_JSON_FAULTS),
)  # fmt: skip
"""In the order in which Loadlock takes them: the first row with a key wins."""
BENCH_FILES = (
    FileSpec(name="orders.csv", share=1.0, shape=_csv({name: name for name in BENCH_COLUMNS}), faults=CSV_FAULTS),
)


@dataclass(frozen=True, kw_only=True)
class Made:
    """What was made. `truth` is the folder for `compare`; `counts`: records, load, blank, and rejects by code."""

    files: tuple[Path, ...]
    truth: Path
    pipeline: Path
    counts: dict[str, Any]


def make_batch(folder: Path, *, records: int, seed: int, shape: str = "demo") -> Made:
    """Write a dirty batch of `records` records below `folder` (made if absent, files in it replaced).

    `shape` is `demo` or `bench`; anything else is a ValueError. Memory is that of 100,000 records.
    """
    if shape not in ("demo", "bench"):
        raise ValueError(f"unknown shape {shape!r}: demo or bench")
    specs, types = (DEMO_FILES, DEMO_TYPES) if shape == "demo" else (BENCH_FILES, BENCH_TYPES)
    inbox = folder / "inbox" if shape == "demo" else folder
    inbox.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    words, dealer, truth = Vocabulary(rng), Faults(rng), Truth(folder=folder / "truth", types=types)
    files, first_id = [], FIRST_ID
    for spec, count in zip(specs, _split(records, specs), strict=True):
        maker = FileMaker(spec=spec, rng=rng, words=words, dealer=dealer, truth=truth)
        files.append(maker.make(inbox, first_id, count))
        first_id += count
    truth.close(seed)
    pipeline = folder / "orders.yaml"
    pipeline.write_text(pipeline_yaml(types, shape), encoding="utf-8")
    rejects = {code: count for code, count in truth.counts.items() if code != "load"}
    blank = sum(counts["blank"] for counts in truth.files.values())
    counts = {"records": records, "load": truth.counts["load"], "blank": blank, "rejects": rejects}
    return Made(files=tuple(files), truth=truth.folder, pipeline=pipeline, counts=counts)


def _split(records: int, specs: Sequence[FileSpec]) -> list[int]:
    """Records of each file; the first takes what rounding leaves."""
    counts = [int(records * spec.share) for spec in specs]
    counts[0] += records - sum(counts)
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; prints what was made as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m loadlock.testing.maker", description="Make a dirty batch with its truth."
    )
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--records", type=int, default=900_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--shape", choices=("demo", "bench"), default="demo")
    given = parser.parse_args(arguments)
    made = make_batch(given.out, records=given.records, seed=given.seed, shape=given.shape)
    json.dump(asdict(made), sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

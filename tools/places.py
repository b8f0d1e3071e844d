"""Cuts every record of a large mixed file back out of its source and compares, in each of the forms a file comes in.

make places                                # 1,000,000 records in each form
python tools/places.py --records 20000     # a look
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from loadlock.testing.places import FORMS, prove  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove each form; 0 where every record is right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    right = True
    for form in FORMS:
        with tempfile.TemporaryDirectory() as folder:
            proof = prove(Path(folder) / "mixed.gz", records=options.records, form=form, seed=options.seed)
        print(
            f"{form}: {proof.exact:,} of {proof.records:,} records exact, {proof.rejects:,} of them rejects", flush=True
        )
        right &= proof.exact == proof.records
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())

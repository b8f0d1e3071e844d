"""Counts what the values of one column can be, table by table, in memory that does not grow with the rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from loadlock.cleanup import _profile_shapes
from loadlock.cleanup._profile_numbers import EITHER_POINT, written_numbers
from loadlock.cleanup._profile_patterns import Patterns
from loadlock.cleanup._profile_shapes import Shape, classify

if TYPE_CHECKING:
    import pyarrow as pa

NULL_WORDS = (
    "N/A", "NA", "n/a", "na", "#N/A", "NULL", "null", "Null", "None", "none", "NONE", "nil", "NaN", "nan", "NAN", "-",
    "--", "—", "?", "\\N", ".", "(null)", "(none)", "missing", "unknown", "Unknown", "UNKNOWN", "n.a.", "k.A.",
)  # fmt: skip
"""Words that are counted apart: they often mean that there is no value."""
MOST_WORDS = 64
"""Different values that are remembered with their counts; a column with more is no list of words."""
EXAMPLES = 5
SKETCH = 2048
"""Smallest hashes kept to estimate the number of different values (error about 2 percent)."""
MOST_REPAIRS = 1000
"""Candidates for mojibake that are tried in one table."""
EXACT_HASHES = 20_000_000
"""Values up to which `unique` is decided exactly (8 bytes each)."""

_EMAIL = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]*[A-Za-z0-9])+$"
_UUID = "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"
_IBAN = "^[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?$"
_PHONE = r"^(?:\+|00)[0-9][0-9 ()./-]{6,}$"
_INVISIBLE = (
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x{9f}\\x{ad}\\x{200b}\\x{200e}\\x{200f}\\x{202a}-\\x{202e}"
    "\\x{2060}-\\x{2064}\\x{feff}]"
)
_ODD_SPACES = "[\\x{a0}\\x{2000}-\\x{200a}\\x{202f}\\x{205f}\\x{3000}]"
_ENTITIES = "&(?:[a-z]{2,8}|[A-Z][a-z]{2,8}|#[0-9]{2,5});"
_MOJIBAKE = "[ÂÃâÄÅÐÑï][\\x{80}-\\x{bf}€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"


class ColumnCounter:
    """The running counts of one column; `add` takes its values of one table."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.moments: Counter[frozenset[str]] = Counter()
        self.spans: dict[str, tuple[str, str]] = {}
        self.clocks: Counter[frozenset[str]] = Counter()
        self.null_words: Counter[str] = Counter()
        self.words: Counter[str] | None = Counter()
        self.patterns = Patterns()
        self.examples: dict[str, list[str]] = {}
        self.moment_examples: dict[frozenset[str], list[str]] = {}
        self.min_length: int | None = None
        self.max_length = 0
        self.digits = 0
        self.scale = 0
        self._hashes: list[Any] | None = []
        self._hash_count = 0
        self._repeated = False
        self._sketch = np.empty(0, np.uint64)

    def add(self, values: pa.Array, connection: Any) -> None:
        """Count the values of one table; `connection` is a DuckDB connection."""
        import pyarrow.compute as pc

        self.counts["rows"] += len(values)
        self.counts["nulls"] += values.null_count
        counted = pc.value_counts(values.drop_null())
        distinct, weights = counted.field("values"), counted.field("counts").to_numpy()
        if not len(distinct):
            return
        lengths = pc.min_max(pc.utf8_length(distinct)).as_py()
        shortest = lengths["min"] if self.min_length is None else min(self.min_length, lengths["min"])
        self.min_length, self.max_length = shortest, max(self.max_length, lengths["max"])
        rest, weights = self._real_values(distinct, weights)
        if len(rest):
            self._look(rest, weights, connection)

    def _real_values(self, distinct: pa.Array, weights: Any) -> tuple[pa.Array, Any]:
        """Trimmed values that are neither blank nor a word for null, with their counts."""
        import pyarrow as pa
        import pyarrow.compute as pc

        trimmed = pc.utf8_trim_whitespace(distinct)
        blank = _mask(pc.equal(trimmed, ""))
        changed = _mask(pc.not_equal(trimmed, distinct)) & ~blank
        word = _mask(pc.is_in(trimmed, value_set=pa.array(NULL_WORDS)))
        self.counts["empties"] += int(weights[blank].sum())
        self.counts["padded"] += int(weights[changed].sum())
        for value, count in zip(trimmed.filter(pa.array(word)).to_pylist(), weights[word].tolist(), strict=True):
            self.null_words[value] += count
        kept = ~(blank | word)
        return trimmed.filter(pa.array(kept)), weights[kept]

    def _look(self, rest: pa.Array, weights: Any, connection: Any) -> None:
        self.counts["values"] += int(weights.sum())
        self._count_words(rest, weights)
        self._count_different(rest, weights, connection)
        self._count_texts(rest, weights)
        self._count_kinds(rest, weights, connection)

    def _count_words(self, rest: pa.Array, weights: Any) -> None:
        if self.words is None:
            return
        if len(rest) > MOST_WORDS:
            self.words = None
            return
        for value, count in zip(rest.to_pylist(), weights.tolist(), strict=True):
            self.words[value] += count
        if len(self.words) > MOST_WORDS:
            self.words = None

    def _count_different(self, rest: pa.Array, weights: Any, connection: Any) -> None:
        """Feed the sketch, and the exact list of hashes as long as every value is another one."""
        import pyarrow as pa

        connection.register("_profile_values", pa.table({"v": rest}))
        hashes = connection.sql("select hash(v) as h from _profile_values").to_arrow_table()["h"].to_numpy()
        connection.unregister("_profile_values")
        hashes = _different(hashes)
        self._sketch = _different(np.concatenate([self._sketch, hashes[:SKETCH]]))[:SKETCH]
        if self._hashes is None:
            return
        self._hash_count += len(hashes)
        repeated = int(weights.sum()) > len(hashes)
        self._repeated |= repeated
        if repeated or self._hash_count > EXACT_HASHES:
            self._hashes = None
        else:
            self._hashes.append(hashes)

    def _count_texts(self, rest: pa.Array, weights: Any) -> None:
        """What concerns texts: doubled spaces, broken encodings, e-mail addresses, UUIDs, JSON."""
        import pyarrow.compute as pc

        self.counts["inner_spaces"] += int(weights[_mask(pc.match_substring(rest, "  "))].sum())
        self._count_matching("email", rest, weights, _mask(pc.match_substring_regex(rest, _EMAIL)))
        long = _mask(pc.equal(pc.binary_length(rest), 36))
        if long.any():
            self._count_matching("uuid", rest, weights, long & _mask(pc.match_substring_regex(rest, _UUID)))
        for name, pattern in (("iban", _IBAN), ("phone", _PHONE)):
            self._count_matching(name, rest, weights, _mask(pc.match_substring_regex(rest, pattern)))
        for name, pattern in (("invisible", _INVISIBLE), ("odd_spaces", _ODD_SPACES), ("entities", _ENTITIES)):
            found = _mask(pc.match_substring_regex(rest, pattern))
            self._count_matching(name, rest, weights, found)
            self._example(name, rest.filter(_array(found)).slice(0, EXAMPLES).to_pylist())
        self._count_mojibake(rest, weights, _mask(pc.match_substring_regex(rest, _MOJIBAKE)))
        self._count_json(rest, weights, _mask(pc.match_substring_regex(rest, r"^[\[{]")))

    def _count_matching(self, name: str, rest: pa.Array, weights: Any, mask: Any) -> None:
        self.counts[name] += int(weights[mask].sum())

    def _count_mojibake(self, rest: pa.Array, weights: Any, mask: Any) -> None:
        """Values that ftfy would repair. Of very many candidates some are tried, and their share is taken for all."""
        import ftfy
        import pyarrow as pa

        candidates, weight = rest.filter(pa.array(mask)), weights[mask]
        tried = candidates.slice(0, MOST_REPAIRS).to_pylist()
        broken = np.array([ftfy.fix_encoding(value) != value for value in tried], dtype=bool)
        if broken.any():
            share = weight[: len(tried)][broken].sum() / weight[: len(tried)].sum()
            self.counts["mojibake"] += round(float(share * weight.sum()))
            self._example("mojibake", (value for value, bad in zip(tried, broken, strict=True) if bad))

    def _count_json(self, rest: pa.Array, weights: Any, mask: Any) -> None:
        import pyarrow as pa

        for value, count in zip(rest.filter(pa.array(mask)).to_pylist(), weights[mask].tolist(), strict=True):
            self.counts["json"] += count if _is_json(value) else 0

    def _count_kinds(self, rest: pa.Array, weights: Any, connection: Any) -> None:
        """Cut the values by shape, then count each kind by its own rule."""
        encoded = _profile_shapes.shapes(rest).dictionary_encode()
        self.patterns.add(encoded, rest, weights)
        found = [classify(shape) for shape in encoded.dictionary.to_pylist()]
        index = encoded.indices.to_numpy()
        groups: dict[tuple[str, tuple[str, ...], bool], list[int]] = {}
        for number, shape in enumerate(found):
            groups.setdefault((shape.kind, shape.formats, shape.padded), []).append(number)
        for (kind, formats, padded), members in groups.items():
            mask = np.isin(index, members)
            part, weight = rest.filter(_array(mask)), weights[mask]
            if kind in ("integer", "decimal"):
                self._plain_numbers(kind, part, weight, [found[number] for number in members])
            if formats:
                self._formats(kind, formats, part, weight, connection, padded=padded)
            elif kind in ("other", "float", "zoned"):
                getattr(self, f"_{kind}")(part, weight)

    def _plain_numbers(self, kind: str, part: pa.Array, weights: Any, found: list[Shape]) -> None:
        import pyarrow.compute as pc

        self._kind(kind, part, weights)
        self.counts["negative"] += int(weights[_mask(pc.starts_with(part, "-"))].sum())
        self.digits = max(self.digits, *(shape.digits for shape in found))
        self.scale = max(self.scale, *(shape.scale for shape in found))
        if kind == "integer":
            zeros = _mask(pc.match_substring_regex(part, r"^[+-]?0[0-9]"))
            self.counts["leading_zeros"] += int(weights[zeros].sum())
            self._example("leading_zeros", part.filter(_array(zeros)).slice(0, EXAMPLES).to_pylist())
            phones = _mask(pc.match_substring_regex(part, r"^\+[0-9]{7}"))
            self.counts["plus_signs"] += int(weights[phones].sum())
        else:
            either = _mask(pc.match_substring_regex(part, f"^[+-]?{EITHER_POINT}$"))
            self.counts["either_point"] += int(weights[either].sum())

    def _formats(
        self, kind: str, formats: tuple[str, ...], part: pa.Array, weights: Any, connection: Any, *, padded: bool
    ) -> None:
        """Count which sets of formats the values fit, each value by DuckDB's strptime."""
        import pyarrow as pa

        fits, spans = _fits(formats, part, connection)
        for text, span in zip(formats, spans, strict=True):
            if span[0] is not None:
                self.spans[text] = wider(self.spans.get(text), span)
        codes = fits.astype(np.int64) @ (1 << np.arange(len(formats)))
        for code in np.unique(codes).tolist():
            mask = codes == code
            chosen, weight = part.filter(pa.array(mask)), weights[mask]
            fitting = frozenset(text for bit, text in enumerate(formats) if code >> bit & 1)
            if not fitting:
                self._kind("other", chosen, weight) if kind != "integer" else None
                continue
            if kind == "time":
                self.clocks[fitting] += int(weight.sum())
                self._kind(kind, chosen, weight)
                continue
            self.moments[fitting] += int(weight.sum())
            _keep(self.moment_examples.setdefault(fitting, []), chosen.slice(0, EXAMPLES).to_pylist())
            if kind != "integer":
                self._kind(kind, chosen, weight)
                self.counts["iso_padded"] += int(weight.sum()) if padded else 0

    def _float(self, part: pa.Array, weights: Any) -> None:
        import pyarrow.compute as pc

        real = _mask(pc.match_substring_regex(part, "^[^A-Za-z]*[eE][^A-Za-z]*$"))
        self._kind("float", part.filter(_array(real)), weights[real])
        self._other(part.filter(_array(~real)), weights[~real])

    def _zoned(self, part: pa.Array, weights: Any) -> None:
        import pyarrow.compute as pc

        real = _mask(pc.match_substring_regex(part, "^[0-9-]+[T ][0-9:.]+(?:Z|[+-][0-9:]+)$"))
        self._kind("zoned", part.filter(_array(real)), weights[real])
        self._other(part.filter(_array(~real)), weights[~real])

    def _other(self, part: pa.Array, weights: Any) -> None:
        """Numbers as people write them; all else is text."""
        import pyarrow.compute as pc

        digits = _mask(pc.match_substring_regex(part, "[0-9]"))
        self._kind("other", part.filter(_array(~digits)), weights[~digits])
        part, weights = part.filter(_array(digits)), weights[digits]
        left = np.ones(len(part), dtype=bool)
        for found in written_numbers(part):
            numbers, weight = part.filter(_array(found.mask)), weights[found.mask]
            self._kind("number", numbers, weight)
            self._example(f"number_{found.kind}", numbers.slice(0, EXAMPLES).to_pylist())
            self.counts[f"number_{found.kind}"] += int(weight.sum())
            self.counts["percent"] += int(weights[found.percent].sum())
            self.counts["currency"] += int(weights[found.currency].sum())
            self.digits, self.scale = max(self.digits, found.digits), max(self.scale, found.scale)
            left &= ~found.mask
        self._kind("other", part.filter(_array(left)), weights[left])

    def _kind(self, kind: str, part: pa.Array, weights: Any) -> None:
        if len(part):
            self.kinds[kind] += int(weights.sum())
            self._example(kind, part.slice(0, EXAMPLES).to_pylist())

    def _example(self, kind: str, values: Iterable[str]) -> None:
        _keep(self.examples.setdefault(kind, []), values)

    def unique(self) -> bool | None:
        """Whether every value is another one; None where there were too many to tell."""
        if self._repeated:
            return False
        if self._hashes is None:
            return None
        return len(_different(np.concatenate(self._hashes))) == self._hash_count if self._hashes else True

    def distinct(self) -> int:
        """How many different values there are, about (exact up to the size of the sketch)."""
        if len(self._sketch) < SKETCH:
            return len(self._sketch)
        if self.unique():
            return self.counts["values"]
        return min(int((SKETCH - 1) / (float(self._sketch[-1]) / 2**64)), self.counts["values"])


def _fits(formats: tuple[str, ...], part: pa.Array, connection: Any) -> tuple[Any, list[tuple[str, str]]]:
    """A matrix of booleans: does value i fit format j; and each format's earliest and latest day (null: none)."""
    import pyarrow as pa

    connection.register("_profile_values", pa.table({"v": part}))
    reads = [f"case when {_plausible(text)} then try_strptime(v, '{text}') end" for text in formats]
    tests = ", ".join(f"{read} is not null as f{n}" for n, read in enumerate(reads))
    found = connection.sql(f"select {tests} from _profile_values").to_arrow_table()
    ends = ", ".join(f"min({read})::date::varchar, max({read})::date::varchar" for read in reads)
    row = connection.sql(f"select {ends} from _profile_values").fetchall()[0]
    connection.unregister("_profile_values")
    spans = [(row[n], row[n + 1]) for n in range(0, len(row), 2)]
    return np.column_stack([column.to_numpy() for column in found.columns]), spans


def wider(span: tuple[str, str] | None, other: tuple[str, str]) -> tuple[str, str]:
    """The span of days that holds both."""
    return other if span is None else (min(span[0], other[0]), max(span[1], other[1]))


def _plausible(text: str) -> str:
    """Eight digits are a date only in years that dates are from."""
    return "left(v, 4) between '1900' and '2099'" if text == "%Y%m%d" else "true"


def _different(hashes: Any) -> Any:
    """The different hashes, sorted."""
    ordered = np.sort(hashes)
    return ordered[np.concatenate([np.ones(min(len(ordered), 1), bool), ordered[1:] != ordered[:-1]])]


def _mask(values: Any) -> Any:
    return values.to_numpy(zero_copy_only=False)


def _array(mask: Any) -> Any:
    import pyarrow as pa

    return pa.array(mask)


def _keep(kept: list[str], values: Iterable[str]) -> None:
    for value in values:
        if len(kept) < EXAMPLES and value not in kept:
            kept.append(value)


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(word: str) -> None:
    raise ValueError(word)

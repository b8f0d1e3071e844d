"""Chooses delimiter, quote, escape and record end: all sensible combinations are tried, the best score wins, with reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadlock.intake import _csv_score as scoring
from loadlock.intake._csv_candidates import candidates, first_line, is_doubled, is_prose
from loadlock.intake._csv_exact import Shape
from loadlock.intake._csv_score import Score

_BY_EXTENSION = {".tsv": b"\t", ".tab": b"\t", ".psv": b"|"}
_NAMES = {"": "none", "\t": "tab", " ": "space"}
_BETTER_END = 0.05
"""Another record end than the usual one must score better by so much."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is pinned, in the bytes of the stream; None = to be found out."""

    delimiter: bytes | None = None
    quote: bytes | None = None
    escape: bool | None = None
    record_end: bytes | None = None
    name: str = ""
    """Of the file: its extension counts."""
    encoding: str = "utf-8"
    """Of the pieces."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The best shape. `shown_end`: the usual record end, for people."""

    best: Score
    scores: list[Score]
    shown_end: str
    reasons: list[str]


def choose(pieces: Sequence[bytes], wanted: Wanted) -> Choice:
    """Try the record ends that the bytes allow, each with all delimiters and quotes."""
    ends = _record_ends(pieces, wanted.record_end)
    found = [(_choose(pieces, wanted, end), shown, reason) for end, shown, reason in ends]
    usual = best = found[0]
    for other in found[1:]:
        if other[0][0].score > max(best[0][0].score, usual[0][0].score + _BETTER_END):
            best = other
    (score, scores, why), shown, reason = best
    reasons = [usual[2], *why] if best is usual else [usual[2], *why, reason]
    return Choice(best=score, scores=scores, shown_end=shown, reasons=reasons)


def _record_ends(pieces: Sequence[bytes], pinned: bytes | None) -> list[tuple[bytes, str, str]]:
    """What may end records, the usual reading first: the splitter's record end, the one to show, and why."""
    if pinned is not None:
        return [(pinned, pinned.decode(), "record end pinned")]
    odd = _odd_end(pieces)
    if odd is not None:
        return [odd]
    both = sum(piece.count(b"\r\n") for piece in pieces)
    feeds = sum(piece.count(b"\n") for piece in pieces) - both
    returns = sum(piece.count(b"\r") for piece in pieces) - both
    if returns and not both + feeds:
        return [(b"\r", "\r", f"records end with CR ({returns:,} in the sample)")]
    shown = "\r\n" if both > feeds else "\n"
    reason = f"records end with {'CRLF' if both > feeds else 'LF'}"
    if both and feeds:
        reason += f", mixed: {both:,} CRLF and {feeds:,} LF in the sample"
    found = [(b"\n", shown, reason)]
    if both and feeds:
        found.append((b"\r\n", "\r\n", "a lone LF ends no record: the rows are more alike so"))
    if returns:
        usual = "\r" if returns > both + feeds else shown
        found.append((b"\r", usual, "lone CR ends records too: the rows are more alike so"))
    if sum(piece.count(b"\x1e") for piece in pieces) > 1:
        found.append((b"\x1e", "\x1e", "records end with the record separator of ASCII: the rows are more alike so"))
    return found


def _odd_end(pieces: Sequence[bytes]) -> tuple[bytes, str, str] | None:
    """A line end of three or two characters in an odd order, where all line ends are such: made by a faulty copy."""
    for end, said in ((b"\r\r\n", "CR CR LF"), (b"\n\r", "LF CR")):
        count = sum(piece.count(end) for piece in pieces)
        feeds, returns = (sum(piece.count(mark) for piece in pieces) for mark in (b"\n", b"\r"))
        if count > 1 and count >= feeds - 1 and count * end.count(b"\r") >= returns - 1:
            return end, end.decode(), f"all records end with {said}"
    return None


def _choose(pieces: Sequence[bytes], wanted: Wanted, end: bytes) -> tuple[Score, list[Score], list[str]]:
    """The best shape for a record end, all scores, and reasons."""
    quotes = [b'"', b"'", b""] if wanted.quote is None else [wanted.quote]
    delimiters = candidates(pieces, wanted.encoding) if wanted.delimiter is None else [wanted.delimiter]
    scores = scoring.best_shapes(pieces, delimiters=delimiters, quotes=quotes, escape=wanted.escape, record_end=end)
    if wanted.delimiter is None:
        scores = _with_space(pieces, scores, Shape(b" ", quotes[0], bool(wanted.escape), end))
        best, why = _accept(scores, pieces, wanted)
        if best is None:
            shape = scoring.best_shapes(pieces, delimiters=[b""], quotes=quotes, escape=wanted.escape, record_end=end)[
                0
            ]
            why = "no delimiter divides the lines alike: one column"
            return shape, scores, [why, _quote_reason(shape, wanted.quote)]
    else:
        best, why = scores[0], f"delimiter {_shown(scores[0], wanted)} pinned"
    return best, scores, [why, _quote_reason(best, wanted.quote), *_escape_reason(best, wanted.escape)]


def _with_space(pieces: Sequence[bytes], scores: list[Score], shape: Shape) -> list[Score]:
    """Spaces are prose more often than delimiters: only where nothing else fits and nearly all lines agree."""
    if scores and scores[0].score >= 0.3:
        return scores
    spaced = scoring.score_shape(pieces, shape)
    if (
        scores
        and scores[0].share >= spaced.share
        and scores[0].fields == first_line(pieces).count(scores[0].shape.delimiter) + 1
    ):
        return scores
    clear = spaced.share >= 0.95 and spaced.faulty < 0.05
    return [spaced, *scores] if clear and spaced.fields > 1 and spaced.records > 2 else scores


def _accept(scores: list[Score], pieces: Sequence[bytes], wanted: Wanted) -> tuple[Score | None, str]:
    name = wanted.name
    scores = [entry for entry in scores if not is_prose(pieces, entry.shape.delimiter)]
    usual = _BY_EXTENSION.get(name[name.rfind(".") :].lower()) if "." in name else None
    for entry in scores:
        # a file called .tsv is read with tabs while these work at all
        if entry.shape.delimiter == usual and entry.share >= 0.5 and entry.fields > 1:
            why = f"by the file's name, {entry.share:.0%} of the sample have {entry.fields} fields"
            return entry, f"delimiter {_shown(entry, wanted)}: {why}"
    best = scores[0] if scores else None
    best = next((entry for entry in scores if best is not None and is_doubled(entry, best)), best)
    best = _in_header(scores, best, pieces)
    if best is not None and best.score >= 0.25:
        why = f"{best.share:.0%} of the sample have {best.fields} fields"
        return best, f"delimiter {_shown(best, wanted)}: {why}"
    first = first_line(pieces)
    for entry in scores:
        if entry.shape.delimiter in first and entry.fields > 1:
            why = f"in doubt, only {entry.share:.0%} of the sample have {entry.fields} fields"
            return entry, f"delimiter {_shown(entry, wanted)}: {why}"
    return None, ""


def _in_header(scores: list[Score], best: Score | None, pieces: Sequence[bytes]) -> Score | None:
    """The best one, or one that the first line and all others hold, where the first line has none of the best."""
    first = first_line(pieces)
    if best is None or best.shape.delimiter in first:
        return best
    whole = (entry for entry in scores if entry.share == 1 and entry.fields > 1 and entry.shape.delimiter in first)
    return next((entry for entry in whole if best.share < 1 and not entry.faulty and entry.records > 2), best)


def _shown(entry: Score, wanted: Wanted) -> str:
    delimiter = entry.shape.delimiter.decode(wanted.encoding, "replace")
    return repr(_NAMES.get(delimiter, delimiter))


def _quote_reason(entry: Score, pinned: bytes | None) -> str:
    quote = entry.shape.quote.decode()
    if pinned is not None:
        return f"quote {quote or 'none'} pinned"
    if not quote:
        return "no quoting: quotes stand inside the text, not around fields"
    return f"quote {quote}" + (f", {entry.faulty:.1%} of the sample misplaced" if entry.faulty else "")


def _escape_reason(entry: Score, pinned: bool | None) -> list[str]:
    if not entry.shape.escape:
        return []
    return ["escape pinned" if pinned else "a backslash escapes quotes and delimiters: fewer faults so"]

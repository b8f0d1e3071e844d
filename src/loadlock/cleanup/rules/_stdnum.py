"""Numbers with check digits, verified by python-stdnum."""

from __future__ import annotations

from loadlock.cleanup._each import UnfitError, module, shown

_LONGEST = 200


def validated(kind: str, text: str, what: str) -> str:
    """The number in its compact form; raises UnfitError saying what is wrong."""
    try:
        if len(text) > _LONGEST:
            raise ValueError
        return str(module(f"stdnum.{kind}").validate(text.strip()))
    except Exception as error:  # the library's checks may fail in any way on what is no number at all
        raise UnfitError(f"{shown(text)} is no {what}{_reason(error)}") from None


def formatted(kind: str, number: str) -> str:
    """The number with the usual blanks or hyphens."""
    return str(module(f"stdnum.{kind}").format(number))


def _reason(error: Exception) -> str:
    """What the library says, by the kind of its error."""
    reasons = {
        "InvalidChecksum": ": the check digits are wrong",
        "InvalidLength": ": it has too few or too many characters",
        "InvalidFormat": ": it has the wrong form",
        "InvalidComponent": ": a part of it is not valid",
    }
    return reasons.get(type(error).__name__, "")

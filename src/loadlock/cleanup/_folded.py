"""Names as people compare them."""

from __future__ import annotations

import unicodedata


def folded(text: str) -> str:
    """Letters and digits only, without accents and case, one blank between words; `the` and dots don't count."""
    plain = unicodedata.normalize("NFKD", text.casefold()).replace(".", "")
    kept = "".join(char if char.isalnum() else " " for char in plain if not unicodedata.combining(char))
    return " ".join(word for word in kept.split() if word != "the")

"""identifier: numbers with check digits of many kinds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar, Literal

from loadlock.cleanup._each import INVALID, EachValue, module, need
from loadlock.cleanup.base import Example, RuleContext, option
from loadlock.cleanup.rules._stdnum import validated

_KIND = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?")


class Identifier(EachValue):
    """Writes numbers with check digits without blanks and hyphens, and verifies them (library python-stdnum, by the name of
    its module): `ean`, `luhn`, `imei`, `isin`, `lei`, `bic`, `issn`, `grid`, `us.ssn`, `gb.nhs`, `fr.siret`, `br.cpf` ..."""

    name: ClassVar[str] = "identifier"
    summary: ClassVar[str] = "Write numbers with check digits in one way and verify them."
    shorthand: ClassVar[str | None] = "kind"
    code: ClassVar[str] = "not_identifier"
    idempotent: ClassVar[bool] = False  # some kinds drop a prefix that they need
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options="ean", before="4 006381 333931", after="4006381333931"),
        Example(options="luhn", before="79927398713", after="79927398713"),
        Example(options="fr.siret", before="732 829 320 00074", after="73282932000074"),
        Example(options="ean", before="4006381333932", after="4006381333932"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        kind: str = option("Name of the kind of number.")
        invalid: Literal["reject", "keep", "null"] = option(INVALID, default="reject")

    def __init__(self, options: Options) -> None:
        need("stdnum", self.name)
        name = f"stdnum.{options.kind}"
        if not _KIND.fullmatch(options.kind) or not _is_there(name) or not hasattr(module(name), "validate"):
            raise ValueError(f"there is no kind of number {options.kind!r}; write one as ean or fr.siret")
        self.options = options
        self.invalid = options.invalid

    def one(self, text: str, context: RuleContext, *others: str | None) -> str:
        """Verified and compact."""
        return validated(self.options.kind, text, f"number of the kind {self.options.kind}")


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:
        return False

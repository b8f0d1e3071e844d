"""SQL statements of the user in the publishing transaction: `before:` the rows change, `after:` them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from loadlock.errors import DeliveryError, RefusedError, UnavailableError

ENDS = frozenset({"abort", "begin", "commit", "end", "release", "rollback", "savepoint", "start"})
"""First words of statements that would begin or end the transaction."""
MYSQL_COMMITS = frozenset(
    {"alter", "analyze", "create", "drop", "grant", "lock", "optimize", "rename", "revoke", "truncate", "unlock"}
)
"""First words of statements before which MySQL commits by itself."""
_COMMENT = re.compile(r"\s*(--[^\n]*(\n|$)|/\*.*?\*/|#[^\n]*(\n|$)|\s+)", re.DOTALL)
_SHOWN = 60


def run_hooks(
    statements: Sequence[str], run: Callable[[str], object], label: str, *, forbidden: Collection[str] = ENDS
) -> None:
    """Run the statements one by one. Raises RefusedError, naming the statement, for one that fails or would end the
    transaction; UnavailableError is passed on."""
    for sql in statements:
        shown = sql.strip() if len(sql.strip()) <= _SHOWN else f"{sql.strip()[:_SHOWN]} ..."
        if first_word(sql) in forbidden:
            raise RefusedError(
                f"{label}: the hook `{shown}` would end the publishing transaction",
                hint="Leave it out: the hooks are committed with the rows, or not at all.",
            )
        try:
            run(sql)
        except UnavailableError:
            raise
        except DeliveryError as error:
            raise RefusedError(
                f"{label}: the hook `{shown}` failed, nothing was published: {error}",
                hint="Mend the statement in `before:` or `after:` of the pipeline's destination.",
            ) from error


def first_word(sql: str) -> str:
    """The statement's first word in small letters; comments are passed over."""
    at = 0
    while match := _COMMENT.match(sql, at):
        at = match.end()
    found = re.match(r"[A-Za-z]+", sql[at:])
    return found[0].lower() if found else ""

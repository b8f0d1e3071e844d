"""hash: a fingerprint in place of personal data."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from loadlock.cleanup._each import where
from loadlock.cleanup.base import Example, RuleContext, option
from loadlock.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa


class Hash:
    """Puts a hash (hexadecimal) in the place of the value: equal values stay equal, and can still be joined and counted.

    Names, phone numbers and the like can be guessed and hashed by anybody: name an environment variable with a secret key
    in `key`, and the hash is an HMAC that nobody can make without it. Another key gives other hashes.
    """

    name: ClassVar[str] = "hash"
    summary: ClassVar[str] = "Put a fingerprint in place of personal data."
    shorthand: ClassVar[str | None] = "key"
    idempotent: ClassVar[bool] = False
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options={"length": 16}, before="ann@example.com", after="71d4f55f72fa128d"),
        Example(options={"algorithm": "md5"}, before="ann@example.com", after="257c57037d384ae37ea27a07e8a01665"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        key: str | None = option("Name of an environment variable that holds a secret key.", default=None)
        algorithm: Literal["sha256", "sha512", "sha1", "md5"] = option("The hash function.", default="sha256")
        length: int | None = option("Hexadecimal digits kept; left out: all.", default=None)

    def __init__(self, options: Options) -> None:
        if options.length is not None and options.length < 8:
            raise ValueError("`length` must be 8 or more: shorter ones are soon equal for different values")
        if options.key is not None and not options.key.isidentifier():
            raise ValueError("`key` must be the name of an environment variable, not the key itself")
        self.options = options

    def apply(self, values: pa.Array, context: RuleContext) -> pa.Array:
        """Each different value once."""
        import pyarrow.compute as pc

        return where(values, pc.is_valid(values), self._function(context))

    def _function(self, context: RuleContext) -> Callable[[str], str]:
        name, length = self.options.algorithm, self.options.length
        if self.options.key is None:
            return lambda text: hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()[:length]
        key = os.environ.get(self.options.key, "")
        if not key:
            raise UsageError(
                f"column {context.column}: the environment variable {self.options.key} with the key of `hash` is not set",
                hint=f"Set {self.options.key} to a secret text, the same for every run.",
            )
        secret = key.encode()
        return lambda text: hmac.new(secret, text.encode(), name).hexdigest()[:length]

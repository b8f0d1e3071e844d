"""Every check that is registered keeps the contract of checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from loadlock.registry import components
from loadlock.testing.contracts.checks import FACTS


@pytest.mark.parametrize("name", components("checks"))
@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
def test_a_check(name: str, fact: Callable[[type[Any]], None]) -> None:
    fact(components("checks")[name])

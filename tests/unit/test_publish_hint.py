"""What is said when a publish was refused fits what the server said."""

from __future__ import annotations

import pytest

from loadlock.delivery.refusals import publish_hint
from loadlock.errors import Refusal


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        ("23505", "duplicate key value violates unique constraint", "unique"),
        ("23503", "insert or update on table violates foreign key constraint", "refers to one that is not there"),
        ("23503", "update or delete: key (id)=(1) is still referenced from table lines", "contradict rows"),
    ],
)
def test_the_hint_fits_the_refusal(code: str, message: str, hint: str) -> None:
    assert hint in publish_hint(Refusal(code=code, message=message))

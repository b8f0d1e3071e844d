"""What the service answers instead of a result, with the bodies that clients parse."""

from __future__ import annotations

from typing import Any

from loadlock.errors import LoadlockError

Json = dict[str, Any]

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    411: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
TEXTS = {
    404: "Requested entity was not found.",
    429: "Resource has been exhausted (e.g. check quota).",
    500: "Internal error encountered.",
    502: "Bad gateway.",
    503: "The service is currently unavailable.",
    504: "Deadline expired before operation could complete.",
}


class ApiError(LoadlockError):
    """An answer of the API with an HTTP status other than 200. `body()` is the JSON that the service sends."""

    def __init__(
        self, code: int, message: str, *, status: str | None = None, details: list[Json] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or STATUSES.get(code, "UNKNOWN")
        self.details = details or []

    def body(self) -> Json:
        error: Json = {"code": self.code, "message": self.message, "status": self.status}
        if self.details:
            error["details"] = self.details
        return {"error": error}

    def prefixed(self, prefix: str) -> ApiError:
        """The same error, said of one part of a request: `Invalid requests[3].addSheet: ...`. A 501 keeps its words."""
        if self.code != 400:
            return self
        return ApiError(self.code, f"{prefix}: {self.message}", status=self.status, details=self.details)


def bad(message: str) -> ApiError:
    """400: the request is wrong and nothing of it was done."""
    return ApiError(400, message)


def unknown(what: str) -> ApiError:
    """501: the emulator has no idea how the service behaves here, and says so instead of guessing."""
    return ApiError(501, f"The emulator does not know {what}; the real service may.")


def payload(field: str, description: str) -> ApiError:
    """400 as the service's JSON reader says it: what is wrong at which field."""
    violation: Json = {"description": description}
    if field:
        violation["field"] = field
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
    return ApiError(400, description, details=[detail])


def reason(code: int, message: str, *, why: str, metadata: Json | None = None) -> ApiError:
    """An error with an ErrorInfo detail, which clients read to tell one 403 or 429 from another."""
    info: Json = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": why, "domain": "googleapis.com"}
    info["metadata"] = {"service": "sheets.googleapis.com", **(metadata or {})}
    return ApiError(code, message, details=[info])

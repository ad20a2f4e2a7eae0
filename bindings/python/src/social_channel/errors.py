"""One exception for each kind of failure: what the caller does next."""

from __future__ import annotations

from typing import Any


class SocialChannelError(Exception):
    """Any failure. `str(error)` is the message; the other members are None if unknown."""

    kind = "other"
    status = 299

    def __init__(self, document: dict[str, Any], status: int | None = None) -> None:
        super().__init__(document.get("message", "no message"))
        self.document = document
        self.kind = document.get("kind", type(self).kind)
        self.status = type(self).status if status is None else status
        self.message: str = document.get("message", "")
        self.remedy: str | None = document.get("remedy")
        self.code: str | None = document.get("code")
        self.field: str | None = document.get("field")
        self.retry_after_ms: int | None = document.get("retry_after_ms")
        self.trace_id: str | None = document.get("trace_id")
        self.provider: str | None = document.get("provider")
        self.operation: str | None = document.get("operation")
        self.outcome: str | None = document.get("outcome")

    def __reduce__(self) -> tuple[Any, ...]:
        # Process pools pickle exceptions.
        return type(self), (self.document, self.status)

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before the next try."""
        return None if self.retry_after_ms is None else self.retry_after_ms / 1000


_ROWS = [
    ("InvalidArgument", "invalid_argument", 100, "Fix the call."),
    ("InvalidRequest", "invalid_request", 200, "Fix the request."),
    ("Unauthorized", "unauthorized", 201, "Connect the account again."),
    ("Forbidden", "forbidden", 202, "Ask the person for one more permission; `field` names it."),
    ("NotFound", "not_found", 203, "Look elsewhere."),
    ("Rejected", "rejected", 204, "Change the content or the account."),
    ("RateLimited", "rate_limited", 205, "Wait, then retry."),
    ("Unavailable", "unavailable", 206, "Retry with growing pauses."),
    ("OutcomeUnknown", "outcome_unknown", 207, "Find out what happened; never retry blindly."),
    ("Unsupported", "unsupported", 208, "Use another provider."),
    ("Misconfigured", "misconfigured", 209, "Let the operator fix the settings."),
    ("AuthorizationDenied", "authorization_denied", 210, "The person declined, or may not."),
    ("QuotaExceeded", "quota_exceeded", 211, "Wait for a new day or a raised allowance."),
    ("Other", "other", 299, "Read the message."),
    ("DeniedByPolicy", "denied_by_policy", 300, "Ask the operator for the grant."),
    ("LimitExceeded", "limit_exceeded", 301, "Raise a limit or shrink the work."),
    ("ProviderFault", "provider_fault", 302, "Replace the provider: it trapped or broke the contract."),
    ("Incompatible", "incompatible", 310, "Install a provider for this version of the contract."),
    ("LoadFailed", "load_failed", 311, "The file is not a provider."),
    ("Internal", "internal", 900, "Report a bug."),
]


class InvalidArgument(SocialChannelError): ...
class InvalidRequest(SocialChannelError): ...
class Unauthorized(SocialChannelError): ...
class Forbidden(SocialChannelError): ...
class NotFound(SocialChannelError): ...
class Rejected(SocialChannelError): ...
class RateLimited(SocialChannelError): ...
class Unavailable(SocialChannelError): ...
class OutcomeUnknown(SocialChannelError): ...
class Unsupported(SocialChannelError): ...
class Misconfigured(SocialChannelError): ...
class AuthorizationDenied(SocialChannelError): ...
class QuotaExceeded(SocialChannelError): ...
class Other(SocialChannelError): ...
class DeniedByPolicy(SocialChannelError): ...
class LimitExceeded(SocialChannelError): ...
class ProviderFault(SocialChannelError): ...
class Incompatible(SocialChannelError): ...
class LoadFailed(SocialChannelError): ...
class Internal(SocialChannelError): ...


BY_STATUS: dict[int, type[SocialChannelError]] = {}
for _name, _kind, _status, _told in _ROWS:
    _class = globals()[_name]
    _class.kind, _class.status, _class.__doc__ = _kind, _status, _told
    BY_STATUS[_status] = _class


def of(status: int, document: dict[str, Any]) -> SocialChannelError:
    """The exception class of a status; the general one for a status of a newer library."""
    return BY_STATUS.get(status, SocialChannelError)(document, status)

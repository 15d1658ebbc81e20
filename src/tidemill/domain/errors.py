"""
Every error a user can meet, drawn once:

* TidemillError
  + UsageError          the command or the configuration is wrong
    - InvalidRequest    the request does not have the form that is needed
      . Malformed       the request is cut off or contradicts itself
      . TooLarge        the request has more bytes than the server takes
      . TooSlow         the request came too slowly
    - UnsupportedMedia  the body has a content type that the route does not read
    - ForeignLabel      feedback names a target or a label that the model does not have
  + DataError           the data is missing, unreadable or contradicts itself
    - BadPayload        one payload cannot be read
    - DataRefused       the checks found faults; they are listed
    - Corrupt           stored bytes do not match their digest
  + NotFound            no such snapshot, run, version or prediction
    - PayloadGone       the payload of a prediction is not stored any more
  + Conflict            the thing exists already, or moved since it was judged
    - LeaseLost         another engine leads this workspace
  + GateRefused         a promotion was judged and turned down
  + Unavailable         a part is not installed, not running or not ready
    - NotReady          the server has no model that passed its golden check
      . Starting        the server has not checked a model yet
    - Overloaded        more requests wait than the queue holds
    - TimedOut          the work was not done in time, so it was ended
    - StorageFailed     something could not be written; nothing was acknowledged
  + Unauthorised        the request has no key, or a wrong one
  + Forbidden           this server does not allow the request
  + RateLimited         the key has sent more requests than it may

`code` is stable and machine-readable, `hint` is the next thing to try. The command line maps a
class to an exit code, the server maps it to a status; neither knowledge is kept here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class TidemillError(Exception):
    """Base class. The message is one sentence; `hint` is one more."""

    code = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:
            # A traceback shows it, in a notebook for example.
            self.add_note(f"Hint: {hint}")


class UsageError(TidemillError):
    """The command or the configuration is wrong."""

    code = "usage"


class InvalidRequest(UsageError):
    """The request does not have the form that is needed."""

    code = "invalid"


class Malformed(InvalidRequest):
    """The request is cut off or contradicts itself."""

    code = "malformed"


class TooLarge(InvalidRequest):
    """The request has more bytes than the server takes."""

    code = "too_large"


class TooSlow(InvalidRequest):
    """The request came too slowly."""

    code = "too_slow"


class UnsupportedMedia(UsageError):
    """The body has a content type that the route does not read."""

    code = "unsupported_media_type"


class ForeignLabel(UsageError):
    """Feedback names a target or a label that the model does not have."""

    code = "foreign_label"


class DataError(TidemillError):
    """The data is missing, unreadable or contradicts itself."""

    code = "data"


class BadPayload(DataError):
    """One payload cannot be read. `index` says which one of a request."""

    code = "bad_payload"

    def __init__(self, message: str, *, hint: str = "", index: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.index = index


class DataRefused(DataError):
    """The checks found faults. `lines` holds one sentence per fault, files named."""

    code = "data_refused"

    def __init__(self, message: str, *, hint: str = "", lines: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.lines = tuple(lines)


class Corrupt(DataError):
    """Stored bytes do not match their digest, or are not what the ledger recorded."""

    code = "corrupt"


class NotFound(TidemillError):
    """No such snapshot, run, version or prediction."""

    code = "not_found"


class PayloadGone(NotFound):
    """The payload of a prediction is not stored any more."""

    code = "payload_gone"


class Conflict(TidemillError):
    """The thing exists already, or moved since it was judged."""

    code = "conflict"


class LeaseLost(Conflict):
    """Another engine leads this workspace."""

    code = "lease_lost"


class GateRefused(TidemillError):
    """A promotion was judged and turned down."""

    code = "gate_refused"


class Unavailable(TidemillError):
    """A part is not installed, not running or not ready."""

    code = "unavailable"


class NotReady(Unavailable):
    """The server has no model that passed its golden check."""

    code = "not_ready"


class Starting(NotReady):
    """The server has not checked a model yet."""

    code = "starting"


class Overloaded(Unavailable):
    """More requests wait than the queue holds."""

    code = "overloaded"


class TimedOut(Unavailable):
    """The work was not done in time, so it was ended."""

    code = "timed_out"


class StorageFailed(Unavailable):
    """Something could not be written; nothing was acknowledged."""

    code = "storage_failed"


class Unauthorised(TidemillError):
    """The request has no key, or a wrong one."""

    code = "unauthorised"


class Forbidden(TidemillError):
    """This server does not allow the request."""

    code = "forbidden"


class RateLimited(TidemillError):
    """The key has sent more requests than it may. `wait_s` is when the next one is answered."""

    code = "rate_limited"

    def __init__(self, message: str, *, hint: str = "", wait_s: int = 1) -> None:
        super().__init__(message, hint=hint)
        self.wait_s = wait_s


def read_error(body: object) -> TidemillError | None:
    """Return the error of `{"error": {"code", "message", "hint"}}`, which another process reported.

    Unknown fields are ignored, and an unknown code gives the base class with that code: the process
    may be of another version. Returns None for a body of another form.
    """
    fields = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(fields, Mapping):
        return None
    code, message, hint = (fields.get(name, "") for name in ("code", "message", "hint"))
    if not (isinstance(code, str) and isinstance(message, str) and isinstance(hint, str)):
        return None
    if not code or not message:
        return None
    if code == DataRefused.code:
        lines = fields.get("lines", ())
        is_list = isinstance(lines, Sequence) and not isinstance(lines, str)
        return DataRefused(message, hint=hint, lines=[str(row) for row in lines] if is_list else ())
    classes = [TidemillError]
    for each in classes:
        classes += each.__subclasses__()
    error = {each.code: each for each in reversed(classes)}.get(code, TidemillError)(
        message, hint=hint
    )
    error.code = code
    return error

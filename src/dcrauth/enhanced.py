"""Adobe's Enhanced Error Codes, found in whatever shape they arrive."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dcrauth._strict import json_object, printable

_XML_FIELD = re.compile(r"<(action|status|code|message|details|helpUrl|trace)>([^<]*)</\1>")
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


@dataclass(frozen=True)
class EnhancedError:
    """An error of Adobe Pass (documentation: Enhanced Error Codes). Sets of values may grow; unknown ones are kept.

    Parameters:
        code: what went wrong.
        action: what to do about it: none, configuration, application-registration, authentication, retry, …
        status: the HTTP status that the body names, which may differ from the answer's own.
        message: words for a person.
        details: more words for a person.
        help_url: a page that explains the code.
        trace: identifier of the call, for support tickets.
        oauth: whether it is a plain OAuth error object (RFC 6749 §5.2) rather than an Enhanced Error.
    """

    code: str | None = None
    action: str | None = None
    status: int | None = None
    message: str | None = field(default=None, repr=False)
    details: str | None = field(default=None, repr=False)
    help_url: str | None = None
    trace: str | None = None
    oauth: bool = False


def read_error(body: bytes) -> EnhancedError | None:
    """Return the error in an answer's body, or None where there is none that can be read.

    Reads JSON with the fields at the root, under ``error`` or in a list under ``errors``; plain OAuth errors; XML.
    """
    try:
        return _from_json(json_object(body))
    except ValueError:
        return _from_xml(body.decode("utf-8", "replace")) if b"<error>" in body else None


def _from_json(found: Mapping[str, Any]) -> EnhancedError | None:
    if isinstance(found.get("error"), str):
        description = printable(found.get("error_description"))
        return EnhancedError(code=_code(found["error"]), message=description, oauth=True)
    return next((_from_fields(each) for each in _candidates(found) if "code" in each or "action" in each), None)


def _candidates(found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    several = found.get("errors")
    nested = [found.get("error"), *(several if isinstance(several, list) else [])]
    yield from (each for each in [found, *nested] if isinstance(each, dict))


def _from_fields(fields: Mapping[str, Any]) -> EnhancedError:
    status = fields.get("status")
    return EnhancedError(
        code=_code(fields.get("code")),
        action=_code(fields.get("action")),
        status=status if isinstance(status, int) else None,
        message=printable(fields.get("message")),
        details=printable(fields.get("details")),
        help_url=printable(fields.get("helpUrl")),
        trace=printable(fields.get("trace")),
    )


def _from_xml(text: str) -> EnhancedError | None:
    fields: dict[str, Any] = dict(_XML_FIELD.findall(text))
    if not fields:
        return None
    status = fields.get("status", "")
    return _from_fields(fields | {"status": int(status) if re.fullmatch("[0-9]{3}", status) else None})


def _code(value: object) -> str | None:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None

"""The fifteen operations of DCR and REST API v2: where each is found, and what it wants."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal
from urllib.parse import unquote

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclass(frozen=True)
class Operation:
    """One operation.

    Parameters:
        name: its name.
        method: its HTTP method.
        path: its path, with parameters in braces.
        success: name of the schema of its answer; empty for an answer without one.
        token: whether it wants an access token.
        device: whether the two device headers are "required", "optional" or of "no" interest.
        media_type: media type of its body; empty for none.
        body: name of the schema of its body.
        single_sign_on: headers of single sign-on that it looks at.
        statuses: what it may answer.
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    success: str
    token: bool = True
    device: Literal["required", "optional", "no"] = "required"
    media_type: str = ""
    body: str = ""
    single_sign_on: tuple[str, ...] = ()
    statuses: tuple[int, ...] = (200, 400, 401, 405, 500)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What its paths look like."""
        return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.path) + "/?")

    @property
    def is_of_dcr(self) -> bool:
        """Whether it is one of the two DCR calls."""
        return self.path.startswith("/o/")


_SUBJECT = ("Adobe-Subject-Token", "AD-Service-Token")
_PARTNER = ("AP-Partner-Framework-Status",)
_PASS = ("AP-TempPass-Identity",)
_ALL = _SUBJECT + _PARTNER + _PASS
_V2 = "/api/v2/{serviceProvider}"
_DCR = (200, 201, 400, 401, 405)
_LIMITED = (200, 400, 401, 403, 405, 500)

OPERATIONS = (
    Operation("registerClient", "POST", "/o/client/register", "Client", token=False, device="optional",
        media_type=JSON, body="Registration", statuses=_DCR),
    Operation("fetchToken", "POST", "/o/client/token", "Token", token=False, device="optional",
        media_type=FORM, body="TokenRequest", statuses=_DCR),
    Operation("authenticate", "GET", "/api/v2/authenticate/{serviceProvider}/{code}", "", token=False, device="no",
        statuses=(302, 400, 405, 500)),
    Operation("getConfiguration", "GET", f"{_V2}/configuration", "Configuration", device="optional"),
    Operation("createSession", "POST", f"{_V2}/sessions", "Session", media_type=FORM, body="SessionParameters",
        single_sign_on=_SUBJECT),
    Operation("resumeSession", "POST", f"{_V2}/sessions/{{code}}", "Session", device="no", media_type=FORM,
        body="SessionParameters"),
    Operation("getSession", "GET", f"{_V2}/sessions/{{code}}", "SessionStatus", device="no"),
    Operation("getProfiles", "GET", f"{_V2}/profiles", "Profiles", single_sign_on=_SUBJECT + _PARTNER),
    Operation("getProfileOfMvpd", "GET", f"{_V2}/profiles/{{mvpd}}", "Profiles", single_sign_on=_ALL,
        statuses=_LIMITED),
    Operation("getProfileOfCode", "GET", f"{_V2}/profiles/code/{{code}}", "Profiles", device="no",
        single_sign_on=_PASS, statuses=_LIMITED),
    Operation("preauthorize", "POST", f"{_V2}/decisions/preauthorize/{{mvpd}}", "Decisions", media_type=JSON,
        body="ResourceList", single_sign_on=_ALL, statuses=_LIMITED),
    Operation("authorize", "POST", f"{_V2}/decisions/authorize/{{mvpd}}", "Decisions", media_type=JSON,
        body="ResourceList", single_sign_on=_ALL, statuses=_LIMITED),
    Operation("logout", "GET", f"{_V2}/logout/{{mvpd}}", "Logouts", single_sign_on=_SUBJECT),
    Operation("startPartnerSession", "POST", f"{_V2}/sessions/sso/{{partner}}", "PartnerSession", media_type=FORM,
        body="PartnerSessionParameters", single_sign_on=_PARTNER),
    Operation("createPartnerProfile", "POST", f"{_V2}/profiles/sso/{{partner}}", "Profiles", media_type=FORM,
        body="PartnerAnswer", single_sign_on=_PARTNER, statuses=(200, 201, 400, 401, 405, 500)),
)  # fmt: skip
"""All operations; the first that fits a path is the one that is meant."""


@lru_cache(maxsize=1024)
def at_path(path: str) -> tuple[tuple[Operation, Mapping[str, str]], ...]:
    """Return the operations at *path*, whatever their method, with the values of its parameters."""
    found = ((each, each.pattern.fullmatch(path)) for each in OPERATIONS)
    return tuple(
        (each, {name: unquote(value) for name, value in match.groupdict().items()})
        for each, match in found
        if match is not None
    )

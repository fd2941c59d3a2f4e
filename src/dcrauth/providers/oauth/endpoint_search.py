"""Finding the endpoints of a server: given, kept from before, or asked for; and calling them.

Only metadata that is whole and has been checked is kept. It serves for a day, or until an endpoint is gone, does not
answer or refuses the client; then the server is asked again, and if it says nothing usable what is kept still serves.
"""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from dcrauth._internal.strict_json import json_object, number
from dcrauth.errors import Unavailable
from dcrauth.providers.oauth.calls import call
from dcrauth.providers.oauth.discovery import WELL_KNOWN, Endpoints, UnfitMetadata, endpoints_in, well_known_urls
from dcrauth.providers.oauth.oauth_error import problem_in
from dcrauth.providers.protocol import Flow, FlowResult, Moment, Problem, Request, Response

T = TypeVar("T")

_GONE = frozenset({*range(300, 400), 404, 405, 410, 501})
"""Statuses by which an endpoint says that it is elsewhere, or takes no such call (RFC 9110 §15); none is followed."""

_REFUSALS = frozenset({"invalid_client", "invalid_client_metadata"})
"""Codes that a server answers also where it is another one than it was, or takes other methods than it took."""

_FRESH = 86_400.0
"""For so many seconds what a server has said is believed without another question."""

_MEMBERS = (
    "issuer",
    "token_endpoint",
    "registration_endpoint",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "scopes_supported",
    "mtls_endpoint_aliases",
)


@dataclass(frozen=True)
class Found:
    """Endpoints, and what is to be kept of how they were found; None where nothing is."""

    endpoints: Endpoints
    kept: Mapping[str, Any] | None = None

    @property
    def confirmed(self) -> Mapping[str, Any] | None:
        """What is kept where an endpoint has answered."""
        return None if self.kept is None else {name: self.kept[name] for name in self.kept if name != "doubtful"}

    @property
    def doubted(self) -> Mapping[str, Any] | None:
        """What is kept where the endpoints may not be the right ones any more."""
        return None if self.kept is None else {**self.kept, "doubtful": True}

    def was_asked_for(self, now: float) -> bool:
        """Return whether the server was asked for it *now*, by the wall clock of the same attempt."""
        return self.kept is not None and self.kept.get("asked") == now

    def asked_again(self, now: float) -> "Found":
        """Return the same, after a question that was not answered: for a while there is no other one."""
        return replace(self, kept={**(self.kept or {}), "asked": now})


@dataclass(frozen=True)
class EndpointSearch:
    """How the endpoints of a server are found.

    Parameters:
        issuer: the server's own name; None where both endpoints are given.
        token: the token endpoint, if it is given.
        registration: the registration endpoint, if it is given.
        registers: whether one is needed.
        shows_certificate: whether the client does, for which there may be endpoints of their own (RFC 8705 §5).
    """

    issuer: str | None
    token: str | None
    registration: str | None
    registers: bool
    shows_certificate: bool

    @property
    def asks(self) -> bool:
        """Whether the server has to be asked."""
        return self.token is None or (self.registers and self.registration is None)

    def located(self, moment: Moment, registering: bool = False) -> Generator[Request, Response, "Found | Problem"]:
        """Return the endpoints, or what is wrong with what the server says of them.

        Parameters:
            registering: whether the registration endpoint is what is looked for: it may have come since.
        """
        if not self.asks:
            return Found(Endpoints(self.token or "", self.registration, self.issuer or ""))
        kept = self._kept(moment.kept)
        if kept is not None and registering and kept.endpoints.registration is None:
            kept = None
        if kept is not None and not _is_doubtful(moment):
            return kept
        found = yield from self._asked(moment.wall)
        return kept.asked_again(moment.wall) if kept is not None and isinstance(found, Problem) else found

    def _kept(self, kept: Mapping[str, Any]) -> Found | None:
        """Return what an earlier flow has kept, if it was found in the same way and is as good as it was."""
        metadata = kept.get("metadata")
        if kept.get("issuer") != self.issuer or kept.get("kinds") != list(WELL_KNOWN) or not isinstance(metadata, dict):
            return None
        try:
            return Found(self._read(metadata), dict(kept))
        except ValueError:
            return None

    def _asked(self, now: float) -> Generator[Request, Response, "Found | Problem"]:
        """Look at each place; a document of another issuer may be what a host serves for every path."""
        problems: list[Problem] = []
        for url in well_known_urls(self.issuer or ""):
            try:
                found = self._understood(url, (yield call(url, "GET")), now)
            except Unavailable as fault:
                found = Problem(fault.message, fault.status)
                if fault.status is None:
                    return found
            if isinstance(found, Found) or found.status == 429:
                return found
            problems.append(found)
        return _in_short(problems)

    def _understood(self, url: str, response: Response, now: float) -> Found | Problem:
        problem = problem_in(response, "no metadata")
        problem = replace(problem, reason=f"{url}: HTTP {response.status}", error=None, oauth=False, final=False)
        if response.status != 200:
            return problem
        try:
            endpoints_in(response.body, self.issuer or "")
            whole = json_object(response.body)
            metadata = {name: whole[name] for name in _MEMBERS if whole.get(name) is not None}
            found = self._read(metadata)
        except ValueError as reason:
            return replace(problem, reason=f"{url}: {reason}", final=isinstance(reason, UnfitMetadata))
        kept = {"issuer": self.issuer, "kinds": list(WELL_KNOWN), "metadata": metadata, "asked": now}
        return Found(found, kept)

    def _read(self, metadata: Mapping[str, Any]) -> Endpoints:
        """Return the endpoints that *metadata* names, but for those that are given.

        Raises:
            ValueError: they cannot be used.
        """
        found = endpoints_in(json.dumps(metadata).encode(), self.issuer or "")
        found = found.for_certificate() if self.shows_certificate else found
        found = replace(found, token=self.token or found.token, registration=self.registration or found.registration)
        _check_tls(found, self.issuer or "")
        return found


def called(
    search: EndpointSearch,
    moment: Moment,
    asking: Callable[[Endpoints], Request | Problem],
    understand: Callable[[Response, Endpoints], T | Problem],
    registering: bool = False,
) -> Flow[T]:
    """Find the endpoints, and make one call.

    Where the endpoint is gone, or does not answer, the next flow asks the server again where it is; so it does where an
    endpoint that was not asked for just now refuses the client: another server may be there by now.
    """
    found = yield from search.located(moment, registering)
    if isinstance(found, Problem):
        return FlowResult(found)
    request = asking(found.endpoints)
    if isinstance(request, Problem):
        return FlowResult(request, found.kept)
    try:
        response = yield request
    except Unavailable as fault:
        return FlowResult(Problem(fault.message, fault.status), found.doubted)
    outcome = understand(response, found.endpoints)
    is_doubted = response.status in _GONE or (_is_refusal(outcome) and not found.was_asked_for(moment.wall))
    return FlowResult(outcome, found.doubted if is_doubted else found.confirmed)


def _is_refusal(outcome: object) -> bool:
    return isinstance(outcome, Problem) and outcome.error in _REFUSALS


def _in_short(problems: Sequence[Problem]) -> Problem:
    """Return what is wrong with all places: for good only if none that is down now may have something better."""
    down = [each for each in problems if (each.status or 500) >= 500]
    final = [each for each in problems if each.final]
    if final and not down:
        return final[0]
    return replace((down or problems)[-1], reason="; ".join(each.reason for each in problems))


def _is_doubtful(moment: Moment) -> bool:
    """Return whether the server is to be asked whether what is kept is still right."""
    asked = number(moment.kept.get("asked"))
    return bool(moment.kept.get("doubtful")) or asked is None or abs(moment.wall - asked) > _FRESH


def _check_tls(found: Endpoints, issuer: str) -> None:
    """Refuse what a server elsewhere says of endpoints on this machine: http is for those that are here themselves."""
    if urlsplit(issuer).scheme != "https":
        return
    for url in (found.token, found.registration):
        if url is not None and urlsplit(url).scheme != "https":
            raise UnfitMetadata("the metadata names an endpoint without https")

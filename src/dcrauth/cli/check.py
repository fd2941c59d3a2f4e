"""``dcrauth check``: whether this machine, these settings, this store and that server go together.

It changes nothing: it registers and asks for a token only when it is asked to.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from dcrauth.cli.check_lines import lines_of, summary_of
from dcrauth.cli.checks.answer import answer_findings, not_called
from dcrauth.cli.checks.client import (
    ClientSettings,
    registration_finding,
    stored_findings,
    token_call_finding,
)
from dcrauth.cli.checks.connection import connection_findings
from dcrauth.cli.checks.proxies import proxy_finding, proxy_for
from dcrauth.cli.checks.statement import statement_findings
from dcrauth.cli.checks.storage import store_findings
from dcrauth.cli.checks.versions import version_findings
from dcrauth.cli.findings import Finding, Word, exit_status, finding_of, is_fault
from dcrauth.cli.lines import Line
from dcrauth.cli.store_reading import read_identity
from dcrauth.cli.stored import Named, StoredIdentity
from dcrauth.errors import ConfigurationError, DCRAuthError
from dcrauth.providers.protocol import Provider
from dcrauth.providers.software_statement import SoftwareStatement
from dcrauth.stores import Store
from dcrauth.transports._options import TransportOptions


@dataclass(frozen=True)
class CheckSettings:
    """What is checked; in the place of what could not be made stands the error that says why.

    Parameters:
        statement: the software statement.
        provider: the authorization server.
        urls: the endpoints to reach, the token endpoint first.
        store: where credentials are kept.
        transport: what calls the server.
        instance: what tells this application instance from others.
        register: whether to register if there are no credentials.
        token: whether to ask for a token.
        wall: tells the time, in seconds since the epoch.
    """

    statement: SoftwareStatement | DCRAuthError
    provider: Provider | DCRAuthError
    urls: Sequence[str]
    store: Store | DCRAuthError
    transport: Any  # a transport with the options of ours
    instance: str = "default"
    register: bool = False
    token: bool = False
    wall: Callable[[], float] = field(default=time.time, repr=False)


def run(
    settings: CheckSettings,
    show: Callable[[Iterable[Line]], object],
    write: Callable[[str], object] | None = None,
) -> int:
    """Check, show each finding as soon as it is there, and return the exit status.

    Parameters:
        settings: what is checked.
        show: shows lines to people.
        write: writes a line for programs, in place of all that.
    """
    if write is not None:
        report = report_of(findings_of(settings))
        write(json.dumps(report))
        return int(report["exit_status"])
    found: list[Finding] = []
    show(lines_of(_noted(findings_of(settings), found)))
    show(summary_of(found))
    return exit_status(found)


def _noted(findings: Iterable[Finding], found: list[Finding]) -> Iterator[Finding]:
    for finding in findings:
        found.append(finding)
        yield finding


def findings_of(settings: CheckSettings) -> Iterator[Finding]:
    """Yield all findings, in the order in which one would look."""
    yield from _of_statement(settings)
    reached = True
    for finding in _of_server(settings):
        reached = reached and not is_fault(finding)
        yield finding
    yield from _of_store(settings)
    yield from _of_client(settings, reached)
    yield from version_findings()


def _of_statement(settings: CheckSettings) -> Iterator[Finding]:
    if isinstance(settings.statement, DCRAuthError):
        yield finding_of(settings.statement, "statement")
    else:
        yield from statement_findings(settings.statement, settings.wall())
        if isinstance(settings.provider, DCRAuthError):
            yield finding_of(settings.provider, "settings")


def _of_server(settings: CheckSettings) -> Iterator[Finding]:
    if isinstance(settings.transport, DCRAuthError):
        yield finding_of(settings.transport, "transport")
        return
    first = {urlsplit(url).netloc: url for url in reversed(settings.urls)}  # one of each server, the first one
    for url in sorted(first.values(), key=settings.urls.index):
        yield from _of_endpoint(settings, url)


def _of_endpoint(settings: CheckSettings, url: str) -> Iterator[Finding]:
    transport: TransportOptions = settings.transport
    server = urlsplit(url).netloc
    try:
        proxy = proxy_for(transport, url)
    except ConfigurationError as error:
        yield finding_of(error, "proxy", server)
        return
    yield proxy_finding(transport, url, proxy)
    reached = True
    for finding in connection_findings(transport, url, proxy):
        reached = reached and finding.word is Word.OK
        yield finding
    if url == settings.urls[0]:
        yield from answer_findings(settings.transport, url, settings.wall) if reached else not_called(server)


def _of_store(settings: CheckSettings) -> Iterator[Finding]:
    if isinstance(settings.store, DCRAuthError):
        yield finding_of(settings.store, "store")
    else:
        yield from store_findings(settings.store)


def _of_client(settings: CheckSettings, reached: bool) -> Iterator[Finding]:
    """Yield what is stored of the client, and what the server says of it if it is to be asked."""
    if isinstance(settings.store, DCRAuthError) or isinstance(settings.provider, DCRAuthError):
        yield Finding("credentials", Word.NOT_TRIED, "whose they are is known by the statement and the store alone")
        return
    client = ClientSettings(settings.provider, settings.store, settings.instance, settings.transport)
    try:
        yield from _of_stored_client(settings, client, reached)
    except ConfigurationError as error:  # such as of a file that holds no key
        yield finding_of(error, "credentials")


def _of_stored_client(settings: CheckSettings, client: ClientSettings, reached: bool) -> Iterator[Finding]:
    now = settings.wall()
    stored = _stored(client, now)
    yield from stored_findings(stored, now)
    if not reached:
        yield Finding("token-call", Word.NOT_TRIED, "the way to the server does not lead there")
        return
    if settings.register:
        yield registration_finding(client, stored)
        stored = _stored(client, now)
    yield token_call_finding(client, stored, asked=settings.token, now=now)


def _stored(client: ClientSettings, now: float) -> StoredIdentity:
    provider = client.provider
    named = Named(client.identity, provider.application, client.instance, provider.statement_digest)
    return read_identity(client.store, now, named)


def report_of(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return *findings* as ``check --json`` writes them (docs/schemas/check.json)."""
    found = list(findings)
    return {"schema": 1, "exit_status": exit_status(found), "findings": [each.to_dict() for each in found]}

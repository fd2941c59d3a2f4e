"""``dcrauth check``: whether this machine, these settings, this store and that server go together.

It changes nothing: it registers and asks for a token only when it is asked to.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from dcrauth.cli.check_lines import lines_of, summary_of
from dcrauth.cli.check_settings import CheckSettings
from dcrauth.cli.checks.answer import answer_findings, not_called
from dcrauth.cli.checks.client import (
    ClientSettings,
    registration_finding,
    stored_findings,
    token_call_finding,
)
from dcrauth.cli.checks.connection import connection_findings
from dcrauth.cli.checks.metadata import endpoints_of, not_asked
from dcrauth.cli.checks.proxies import proxy_finding, proxy_for
from dcrauth.cli.checks.statement import statement_findings
from dcrauth.cli.checks.storage import store_findings
from dcrauth.cli.checks.versions import version_findings
from dcrauth.cli.findings import Finding, Word, exit_status, finding_of, is_fault
from dcrauth.cli.lines import Line
from dcrauth.cli.store_reading import read_identity
from dcrauth.cli.stored import StoredIdentity, named
from dcrauth.errors import ConfigurationError, DCRAuthError
from dcrauth.providers.oauth.oauth_server import OAuthServer
from dcrauth.transports._options import TransportOptions


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
        return
    if settings.statement is not None:
        yield from statement_findings(settings.statement, settings.wall())
    if isinstance(settings.provider, DCRAuthError):
        yield finding_of(settings.provider, "settings")


def _of_server(settings: CheckSettings) -> Iterator[Finding]:
    if isinstance(settings.transport, DCRAuthError):
        yield finding_of(settings.transport, "transport")
        return
    if isinstance(settings.urls, DCRAuthError):
        yield finding_of(settings.urls, "server")
        return
    if settings.issuer is not None and isinstance(settings.provider, OAuthServer):
        yield from _of_issuer(settings, settings.provider, settings.issuer)
    first = {urlsplit(url).netloc: url for url in reversed(settings.urls)}  # one of each server, the first one
    for url in sorted(first.values(), key=settings.urls.index):
        yield from _of_endpoint(settings, url, is_called=url == settings.urls[0])


def _of_issuer(settings: CheckSettings, server: OAuthServer, issuer: str) -> Iterator[Finding]:
    """Yield what is to be said of a server that is asked first where its token endpoint is."""
    about, reached = urlsplit(issuer).netloc, True
    for finding in _of_endpoint(settings, issuer, is_called=False):
        reached = reached and finding.word is Word.OK
        yield finding
    if not reached:
        yield not_asked(about, "the way to the server does not lead there")
        return
    found, finding = endpoints_of(server, issuer, settings.transport, settings.wall)
    yield finding
    if found is None:
        yield from not_called(about, "where the token endpoint is, is not known")
    elif urlsplit(found.token).netloc == about:
        yield from answer_findings(settings.transport, found.token, settings.wall)
    else:
        yield from _of_endpoint(settings, found.token, is_called=True)


def _of_endpoint(settings: CheckSettings, url: str, *, is_called: bool) -> Iterator[Finding]:
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
    if is_called:
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
    return read_identity(client.store, now, named(client.provider, client.instance))


def report_of(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return *findings* as ``check --json`` writes them (docs/schemas/check.json)."""
    found = list(findings)
    return {"schema": 1, "exit_status": int(exit_status(found)), "findings": [each.to_dict() for each in found]}

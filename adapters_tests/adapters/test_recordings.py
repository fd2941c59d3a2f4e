"""Recorders and caches that applications put around their HTTP library work as they do with a header set by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests_cache
import vcr

import dcrauth.requests
from adapters_tests.common.clients import KINDS, Kind
from adapters_tests.common.secrets import secrets_in
from dcrauth import TokenSource
from dcrauth.simulator import Simulator

Make = Callable[..., TokenSource]


def statuses(kind: Kind, auth: Any, api: str, between: Callable[[], object] = lambda: None) -> list[int]:
    """Send two requests with a session of the library's, and do something *between* them."""
    with kind.open(auth) as app:
        first = app.get(api).status
        between()
        return [first, app.get(api).status]


def without_body(request: Any) -> Any:
    """Leave out what is sent to the DCR endpoints."""
    if "/o/client/" in request.path:
        request.body = b""
    return request


def without_grant(response: dict[str, Any]) -> dict[str, Any]:
    """Put an answer of no worth in the place of what the DCR endpoints grant."""
    if b'"client_secret"' in response["body"]["string"] or b'"access_token"' in response["body"]["string"]:
        response["body"]["string"] = b'{"client_id":"x","client_secret":"x","access_token":"x"}'
        response["headers"] = {"Content-Type": ["application/json"]}
    return response


FILTERS = {
    "filter_headers": ["authorization"],
    "before_record_request": without_body,
    "before_record_response": without_grant,
}


@pytest.mark.fault(
    "requests are recorded with vcrpy, and played back without a server",
    "the cassette is saved and played as with a header set by hand; filters of vcrpy take out what is secret",
)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.backend != "trio"], ids=lambda kind: kind.name)
@pytest.mark.parametrize("filters", [{}, FILTERS], ids=["as it is", "filtered"])
def test_what_vcrpy_records_can_be_played(
    kind: Kind, filters: dict[str, Any], make_source: Make, adobe: Simulator, api: str, tmp_path: Path
) -> None:
    """A registration, a token, a request, its refusal and its second attempt come out of a cassette again."""
    recorder = vcr.VCR(cassette_library_dir=str(tmp_path), **filters)
    recording, playing = (make_source(transport=kind.auth._own_transport()) for _ in range(2))
    with recorder.use_cassette("cassette.yaml"):
        assert statuses(kind, kind.auth(recording), api, adobe.revoke_tokens) == [200, 200]
    before = adobe.counts
    with recorder.use_cassette("cassette.yaml", record_mode="none"):
        assert statuses(kind, kind.auth(playing), api) == [200, 200]
    assert adobe.counts == before
    live, secrets = recording.token().value, {adobe.software_statement, *secrets_in(adobe)}
    cassette = (tmp_path / "cassette.yaml").read_text()
    if filters:
        assert not [number for number, secret in enumerate(secrets) if secret in cassette]
    elif kind.library != "aiohttp":  # of which vcrpy sees what the caller passes in
        assert cassette.count(live) == 2  # in the answer that granted it, and in the request


@pytest.mark.fault(
    "the caller's session is one of requests-cache, and a 401 was mended",
    "the answer is cached in each of its formats, with the refused token at most, and found again",
)
@pytest.mark.parametrize("serializer", ["json", "yaml", "pickle"])
def test_what_requests_cache_stores(
    serializer: str, source: TokenSource, adobe: Simulator, api: str, tmp_path: Path
) -> None:
    """No file of the cache has a token that is good for anything, also none of the response's history."""
    source.token()
    adobe.revoke_tokens()
    with requests_cache.CachedSession(str(tmp_path / "cache"), backend="filesystem", serializer=serializer) as session:
        session.auth = dcrauth.requests.DCRAuth(source)
        first, second = session.get(api, timeout=20), session.get(api, timeout=20)
    assert [first.status_code, first.from_cache, second.status_code, second.from_cache] == [200, False, 200, True]
    assert second.json() == first.json()
    assert [refusal.status_code for refusal in second.history] == [401]
    assert adobe.counts.api == 2
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 1
    assert not [1 for content in files if source.token().value.encode() in content]

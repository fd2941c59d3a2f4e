"""httpx and httpx2 installed together: packages choose between them, and a ``DCRAuth`` of either does for both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import dcrauth.httpx
import dcrauth.httpx2
from adapters_tests.common.clients import KINDS, App, Kind
from adapters_tests.common.in_thread import InThread
from adapters_tests.common.programs import run
from dcrauth import AdobePass, ServerUnavailable, TokenSource
from dcrauth.simulator import Fault, Simulator

OTHER = {"httpx": dcrauth.httpx2.DCRAuth, "httpx2": dcrauth.httpx.DCRAuth}


@pytest.fixture(params=[kind for kind in KINDS if kind.library in OTHER], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each of the clients of httpx and httpx2."""
    found: Kind = request.param
    return found


@pytest.fixture
def app(kind: Kind, source: TokenSource) -> Iterator[App]:
    """A client of the one library with a ``DCRAuth`` of the other."""
    with kind.open(OTHER[kind.library](source)) as opened:
        yield opened


def test_a_refused_request_is_sent_once_more(app: App, adobe: Simulator, api: str) -> None:
    """A refusal is mended, with its cookies, for the one library's request as for the other's."""
    assert app.get(api).status == 200
    adobe.revoke_tokens()
    adobe.inject("api", Fault(status=401, headers=(("Set-Cookie", "seen=1"),)))
    answer = app.send("POST", f"{adobe.url}/api/v2/REF30/echo", content=b"body")
    assert (answer.statuses_before, answer.status) == ((401,), 200)
    assert adobe.calls[-1].headers["cookie"] == "seen=1"
    assert adobe.calls[-1].body == b"body"


def test_a_body_that_is_gone_is_told_from_one_that_is_there(app: App, kind: Kind, adobe: Simulator, api: str) -> None:
    """A body that cannot be sent again leaves the 401, in the one library as in the other."""
    adobe.inject("api", Fault(status=401))
    assert app.send("POST", api, content=_stream(asynchronous=kind.is_async)).status == 401
    assert (adobe.counts.api, adobe.counts.token) == (1, 2)


def _stream(*, asynchronous: bool) -> Any:
    async def parts() -> Any:
        yield b"part"

    return parts() if asynchronous else iter([b"part"])


def test_an_error_is_that_of_the_client(kind: Kind, make_source: Callable[..., TokenSource], adobe: Simulator) -> None:
    """The except clause of the library whose client it is catches what the other's ``DCRAuth`` raises."""
    source = make_source(provider=AdobePass(adobe.software_statement, base_url="http://127.0.0.1:9"))
    with kind.open(OTHER[kind.library](source)) as app, pytest.raises(kind.connection_error) as caught:
        app.get("http://127.0.0.1:9/")
    assert isinstance(caught.value, ServerUnavailable)


@pytest.mark.parametrize(("mine", "other"), [("httpx", "httpx2"), ("httpx2", "httpx")])
def test_who_has_one_needs_no_other(mine: str, other: str) -> None:
    """With one of them only, its ``DCRAuth`` is made of that alone."""
    code = f"""
from {mine} import Auth
from dcrauth.{mine} import DCRAuth
print(issubclass(DCRAuth, Auth), "{other}" in sys.modules, [each.__name__ for each in DCRAuth._libraries])
"""
    assert run(code, other).stdout.strip() == f"True False ['{mine}']"


def test_a_broken_installation_of_the_other_does_no_harm(tmp_path: Path) -> None:
    """Whatever comes out of importing the library that nobody asked for, the adapter for the first works."""
    (tmp_path / "httpx2.py").write_text("raise RuntimeError('made for another httpcore')")
    code = f"""
sys.path.insert(0, {str(tmp_path)!r})
from dcrauth.httpx import DCRAuth
print([each.__name__ for each in DCRAuth._libraries])
"""
    assert run(code).stdout.strip() == "['httpx']"


class GraphQL(BaseHTTPRequestHandler):
    """A GraphQL API that answers with the ``Authorization`` it got, from the second request on."""

    def do_POST(self) -> None:
        """Answer a query."""
        self.rfile.read(int(self.headers["Content-Length"]))
        refused, self.server.refused = not self.server.refused, True  # type: ignore[attr-defined]
        body = json.dumps({"data": {"authorization": self.headers["Authorization"]}}).encode()
        self.send_response(401 if refused else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def graphql() -> Iterator[str]:
    """A server of that, which refuses the first request."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), GraphQL)
    server.refused = False  # type: ignore[attr-defined]
    with InThread(server) as served:
        yield served.url


GQL = """
from dcrauth import AdobePass, MemoryStore, Policy
from dcrauth.httpx import DCRAuth
from gql import Client, gql
from gql.transport import httpx as transports
adobe = AdobePass({statement!r}, base_url={adobe!r}, protects=[{api!r}])
auth = DCRAuth(adobe, store=MemoryStore(), policy=Policy(spared_for=0))
with Client(transport=transports.HTTPXTransport(url={api!r}, auth=auth)) as session:
    print(transports.httpx.__name__, session.execute(gql("{{ authorization }}"))["authorization"])
"""


@pytest.mark.parametrize("installed", ["httpx", "httpx2"])
def test_gql_may_take_either(installed: str, adobe: Simulator, graphql: str) -> None:
    """A program with gql and ``dcrauth.httpx`` works before and after a dependency brings httpx2, which gql takes."""
    code = GQL.format(statement=adobe.software_statement, adobe=adobe.url, api=graphql)
    found = run(code, *({"httpx2"} - {installed}))
    assert found.stdout.startswith(f"{installed} Bearer "), found.stderr
    assert (adobe.counts.register, adobe.counts.token) == (1, 2)

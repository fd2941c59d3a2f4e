"""What every provider promises, run over each of ours and over the one of the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from adapters_tests.common.world import STATEMENT
from dcrauth import AdobePass, ClientCredentials, OAuthServer, PrivateKeyJWT
from dcrauth.providers.protocol import Response
from dcrauth.testing.provider_contract import SECRET, ProviderContract

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-provider.md"
ENDPOINTS = {
    "registration_endpoint": "https://issuer.example/register",
    "token_endpoint": "https://issuer.example/token",
}
API = ["https://api.example"]
KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
}
"""The example of RFC 7515, appendix A.3."""


class TestAdobePass(ProviderContract):
    """AdobePass."""

    @pytest.fixture
    def provider(self) -> Any:
        return AdobePass(STATEMENT)


class TestAdobePassByQuery(ProviderContract):
    """AdobePass with the credentials in the URL."""

    @pytest.fixture
    def provider(self) -> Any:
        return AdobePass(STATEMENT, token_request="query")


class TestOAuthServer(ProviderContract):
    """OAuthServer with endpoints that are given."""

    @pytest.fixture
    def provider(self) -> Any:
        return OAuthServer(**ENDPOINTS, protects=API, scope="a b")


class TestGivenClient(ProviderContract):
    """OAuthServer with a client that is given."""

    @pytest.fixture
    def provider(self) -> Any:
        return OAuthServer(token_endpoint=ENDPOINTS["token_endpoint"], client=ClientCredentials("a", "b"), protects=API)


class TestSigningClient(ProviderContract):
    """OAuthServer whose client signs, by an algorithm that makes the same signature each time."""

    @pytest.fixture
    def provider(self) -> Any:
        return OAuthServer(**ENDPOINTS, protects=API, client_authentication=PrivateKeyJWT(KEY))

    def test_flows_are_pure(self, provider: Any, token: Response) -> None:
        pytest.skip("a signature by ES256 is another one each time")


class TestTheOneOfTheDocumentation(ProviderContract):
    """The example of docs/writing-a-provider.md."""

    @pytest.fixture
    def provider(self) -> Any:
        document = Sybil([PythonCodeBlockParser()]).parse(PAGE)
        for example in document.examples():
            example.evaluate()
        return document.namespace["provider"]

    @pytest.fixture
    def registration(self) -> Response:
        return Response(200, {}, f"newclient {SECRET}".encode())

    @pytest.fixture
    def token(self) -> Response:
        return Response(200, {}, b"newtoken")

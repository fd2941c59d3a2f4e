"""The providers that the promises of adapters and of single flight are kept for, at a server that both can call."""

from __future__ import annotations

from adapters_tests.common.world import STATEMENT
from dcrauth import AdobePass, ClientSecret, OAuthServer

PROVIDERS = ("AdobePass", "OAuthServer")


def provider_at(name: str, url: str = "https://server.example", statement: str = STATEMENT) -> AdobePass | OAuthServer:
    """Return the provider of that *name* for the server at *url*, which has Adobe's paths."""
    if name == "AdobePass":
        return AdobePass(statement, base_url=url)
    return OAuthServer(
        registration_endpoint=f"{url}/o/client/register",
        token_endpoint=f"{url}/o/client/token",
        protects=[url],
        software_statement=statement,
        client_authentication=ClientSecret("post"),
    )

"""A client that was generated from an OpenAPI description in which ``Authorization`` is a required parameter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from adapters_tests.adapters.generated.pass_client import AuthenticatedClient, Client
from adapters_tests.adapters.generated.pass_client.api.configuration import get_configuration
from adapters_tests.adapters.test_contract import tokens_seen
from dcrauth import AdobePass, DeviceInfo, TokenSource
from dcrauth.httpx import DCRAuth
from dcrauth.simulator import Behaviour, Simulator

DEVICE = DeviceInfo(model="m", version="1", os_name="Linux", os_version="6", connection_type="LAN")
REQUIRED = {
    "service_provider": "REF30",
    "authorization": "",
    "x_device_info": "",
    "ap_device_identifier": "fingerprint eA==",
}


@pytest.fixture
def auth(make_source: Callable[..., TokenSource], provider: AdobePass, adobe: Simulator) -> DCRAuth:
    """For an API that insists on its device headers."""
    adobe.behaviour = Behaviour(strict_device_headers=True)
    return DCRAuth(make_source(provider=provider.for_device(DEVICE)))


@pytest.mark.fault(
    "a client is generated from an OpenAPI description with required header parameters, which it always sets",
    "with empty texts for them it works: the token and the device headers are put there",
)
def test_a_generated_client(auth: DCRAuth, adobe: Simulator) -> None:
    """With empty texts for what dcrauth knows, its functions are authorized, also after a refusal."""
    with Client(base_url=adobe.url, httpx_args={"auth": auth}, raise_on_unexpected_status=True) as client:
        for _ in range(2):
            found = get_configuration.sync(client=client, **REQUIRED)
            assert found is not None
            assert found["requestor"]["id"] == "REF30"
            adobe.revoke_tokens()
    assert (adobe.counts.register, adobe.counts.token, adobe.counts.api) == (1, 2, 3)


def test_its_asynchronous_functions(auth: DCRAuth, adobe: Simulator) -> None:
    """The same for its coroutines."""

    async def main() -> int:
        async with Client(base_url=adobe.url, httpx_args={"auth": auth}) as client:
            return (await get_configuration.asyncio_detailed(client=client, **REQUIRED)).status_code

    assert asyncio.run(main()) == 200


def test_its_authenticated_client(auth: DCRAuth, adobe: Simulator) -> None:
    """A client that insists on a token takes an empty one, and one that is given wins."""
    for token, status in (("", 200), ("mine", 401)):
        with AuthenticatedClient(base_url=adobe.url, token=token, httpx_args={"auth": auth}) as client:
            response = client.get_httpx_client().get(
                "/api/v2/REF30/configuration", headers={"AP-Device-Identifier": "fingerprint eA=="}
            )
            assert response.status_code == status
    assert tokens_seen(adobe)[-1] == "Bearer mine"

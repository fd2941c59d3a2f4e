from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.get_configuration_response_200 import GetConfigurationResponse200
from ...types import Response


def _get_kwargs(
    service_provider: str,
    *,
    authorization: str,
    x_device_info: str,
    ap_device_identifier: str,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    headers["Authorization"] = authorization

    headers["X-Device-Info"] = x_device_info

    headers["AP-Device-Identifier"] = ap_device_identifier

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/v2/{service_provider}/configuration".format(
            service_provider=quote(str(service_provider), safe=""),
        ),
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> GetConfigurationResponse200 | None:
    if response.status_code == 200:
        response_200 = GetConfigurationResponse200.from_dict(response.json())

        return response_200

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[GetConfigurationResponse200]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    service_provider: str,
    *,
    client: AuthenticatedClient | Client,
    authorization: str,
    x_device_info: str,
    ap_device_identifier: str,
) -> Response[GetConfigurationResponse200]:
    """
    Args:
        service_provider (str):
        authorization (str):
        x_device_info (str):
        ap_device_identifier (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[GetConfigurationResponse200]
    """

    kwargs = _get_kwargs(
        service_provider=service_provider,
        authorization=authorization,
        x_device_info=x_device_info,
        ap_device_identifier=ap_device_identifier,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    service_provider: str,
    *,
    client: AuthenticatedClient | Client,
    authorization: str,
    x_device_info: str,
    ap_device_identifier: str,
) -> GetConfigurationResponse200 | None:
    """
    Args:
        service_provider (str):
        authorization (str):
        x_device_info (str):
        ap_device_identifier (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        GetConfigurationResponse200
    """

    return sync_detailed(
        service_provider=service_provider,
        client=client,
        authorization=authorization,
        x_device_info=x_device_info,
        ap_device_identifier=ap_device_identifier,
    ).parsed


async def asyncio_detailed(
    service_provider: str,
    *,
    client: AuthenticatedClient | Client,
    authorization: str,
    x_device_info: str,
    ap_device_identifier: str,
) -> Response[GetConfigurationResponse200]:
    """
    Args:
        service_provider (str):
        authorization (str):
        x_device_info (str):
        ap_device_identifier (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[GetConfigurationResponse200]
    """

    kwargs = _get_kwargs(
        service_provider=service_provider,
        authorization=authorization,
        x_device_info=x_device_info,
        ap_device_identifier=ap_device_identifier,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    service_provider: str,
    *,
    client: AuthenticatedClient | Client,
    authorization: str,
    x_device_info: str,
    ap_device_identifier: str,
) -> GetConfigurationResponse200 | None:
    """
    Args:
        service_provider (str):
        authorization (str):
        x_device_info (str):
        ap_device_identifier (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        GetConfigurationResponse200
    """

    return (
        await asyncio_detailed(
            service_provider=service_provider,
            client=client,
            authorization=authorization,
            x_device_info=x_device_info,
            ap_device_identifier=ap_device_identifier,
        )
    ).parsed

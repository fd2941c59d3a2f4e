from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.configuration import Configuration
from ...models.enhanced_error import EnhancedError
from ...types import UNSET, Response, Unset


def _get_kwargs(
    service_provider: str,
    *,
    ap_device_identifier: str | Unset = UNSET,
    x_device_info: str | Unset = UNSET,
    x_forwarded_for: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(ap_device_identifier, Unset):
        headers["AP-Device-Identifier"] = ap_device_identifier

    if not isinstance(x_device_info, Unset):
        headers["X-Device-Info"] = x_device_info

    if not isinstance(x_forwarded_for, Unset):
        headers["X-Forwarded-For"] = x_forwarded_for

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/v2/{service_provider}/configuration".format(
            service_provider=quote(str(service_provider), safe="")
        ),
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Configuration | EnhancedError | str | None:
    if response.status_code == 200:
        response_200 = Configuration.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = EnhancedError.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = EnhancedError.from_dict(response.json())

        return response_401

    if response.status_code == 405:
        response_405 = EnhancedError.from_dict(response.json())

        return response_405

    if response.status_code == 429:
        response_429 = response.text
        return response_429

    if response.status_code == 500:
        response_500 = EnhancedError.from_dict(response.json())

        return response_500

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Configuration | EnhancedError | str]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    service_provider: str,
    *,
    client: AuthenticatedClient,
    ap_device_identifier: str | Unset = UNSET,
    x_device_info: str | Unset = UNSET,
    x_forwarded_for: str | Unset = UNSET,
) -> Response[Configuration | EnhancedError | str]:
    """
    Args:
        service_provider (str):
        ap_device_identifier (str | Unset):
        x_device_info (str | Unset):
        x_forwarded_for (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Configuration | EnhancedError | str]
    """
    kwargs = _get_kwargs(
        service_provider=service_provider,
        ap_device_identifier=ap_device_identifier,
        x_device_info=x_device_info,
        x_forwarded_for=x_forwarded_for,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    service_provider: str,
    *,
    client: AuthenticatedClient,
    ap_device_identifier: str | Unset = UNSET,
    x_device_info: str | Unset = UNSET,
    x_forwarded_for: str | Unset = UNSET,
) -> Configuration | EnhancedError | str | None:
    """
    Args:
        service_provider (str):
        ap_device_identifier (str | Unset):
        x_device_info (str | Unset):
        x_forwarded_for (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Configuration | EnhancedError | str
    """
    return sync_detailed(
        service_provider=service_provider,
        client=client,
        ap_device_identifier=ap_device_identifier,
        x_device_info=x_device_info,
        x_forwarded_for=x_forwarded_for,
    ).parsed


async def asyncio_detailed(
    service_provider: str,
    *,
    client: AuthenticatedClient,
    ap_device_identifier: str | Unset = UNSET,
    x_device_info: str | Unset = UNSET,
    x_forwarded_for: str | Unset = UNSET,
) -> Response[Configuration | EnhancedError | str]:
    """
    Args:
        service_provider (str):
        ap_device_identifier (str | Unset):
        x_device_info (str | Unset):
        x_forwarded_for (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Configuration | EnhancedError | str]
    """
    kwargs = _get_kwargs(
        service_provider=service_provider,
        ap_device_identifier=ap_device_identifier,
        x_device_info=x_device_info,
        x_forwarded_for=x_forwarded_for,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    service_provider: str,
    *,
    client: AuthenticatedClient,
    ap_device_identifier: str | Unset = UNSET,
    x_device_info: str | Unset = UNSET,
    x_forwarded_for: str | Unset = UNSET,
) -> Configuration | EnhancedError | str | None:
    """
    Args:
        service_provider (str):
        ap_device_identifier (str | Unset):
        x_device_info (str | Unset):
        x_forwarded_for (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Configuration | EnhancedError | str
    """
    return (
        await asyncio_detailed(
            service_provider=service_provider,
            client=client,
            ap_device_identifier=ap_device_identifier,
            x_device_info=x_device_info,
            x_forwarded_for=x_forwarded_for,
        )
    ).parsed

from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.enhanced_error import EnhancedError
from ...types import Response


def _get_kwargs(
    service_provider: str,
    code: str,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/v2/authenticate/{service_provider}/{code}".format(
            service_provider=quote(str(service_provider), safe=""), code=quote(str(code), safe="")
        ),
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | EnhancedError | str | None:
    if response.status_code == 302:
        response_302 = cast(Any, None)
        return response_302

    if response.status_code == 400:
        response_400 = EnhancedError.from_dict(response.json())

        return response_400

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
) -> Response[Any | EnhancedError | str]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    service_provider: str,
    code: str,
    *,
    client: AuthenticatedClient | Client,
) -> Response[Any | EnhancedError | str]:
    """
    Args:
        service_provider (str):
        code (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | EnhancedError | str]
    """
    kwargs = _get_kwargs(
        service_provider=service_provider,
        code=code,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    service_provider: str,
    code: str,
    *,
    client: AuthenticatedClient | Client,
) -> Any | EnhancedError | str | None:
    """
    Args:
        service_provider (str):
        code (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | EnhancedError | str
    """
    return sync_detailed(
        service_provider=service_provider,
        code=code,
        client=client,
    ).parsed


async def asyncio_detailed(
    service_provider: str,
    code: str,
    *,
    client: AuthenticatedClient | Client,
) -> Response[Any | EnhancedError | str]:
    """
    Args:
        service_provider (str):
        code (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | EnhancedError | str]
    """
    kwargs = _get_kwargs(
        service_provider=service_provider,
        code=code,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    service_provider: str,
    code: str,
    *,
    client: AuthenticatedClient | Client,
) -> Any | EnhancedError | str | None:
    """
    Args:
        service_provider (str):
        code (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | EnhancedError | str
    """
    return (
        await asyncio_detailed(
            service_provider=service_provider,
            code=code,
            client=client,
        )
    ).parsed

from http import HTTPStatus
from typing import Any, cast

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.o_auth_error import OAuthError
from ...models.token import Token
from ...models.token_request import TokenRequest
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    body: TokenRequest,
    x_device_info: str | Unset = UNSET,
    x_forwarded_for: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(x_device_info, Unset):
        headers["X-Device-Info"] = x_device_info

    if not isinstance(x_forwarded_for, Unset):
        headers["X-Forwarded-For"] = x_forwarded_for

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/o/client/token",
    }

    _kwargs["data"] = body.to_dict()
    headers["Content-Type"] = "application/x-www-form-urlencoded"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | OAuthError | Token | str | None:
    if response.status_code == 200:
        response_200 = Token.from_dict(response.json())

        return response_200

    if response.status_code == 201:
        response_201 = Token.from_dict(response.json())

        return response_201

    if response.status_code == 400:
        response_400 = OAuthError.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = OAuthError.from_dict(response.json())

        return response_401

    if response.status_code == 405:
        response_405 = cast(Any, None)
        return response_405

    if response.status_code == 429:
        response_429 = response.text
        return response_429

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Any | OAuthError | Token | str]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: TokenRequest,
    x_device_info: str | Unset = UNSET,
    x_forwarded_for: str | Unset = UNSET,
) -> Response[Any | OAuthError | Token | str]:
    """
    Args:
        x_device_info (str | Unset):
        x_forwarded_for (str | Unset):
        body (TokenRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | OAuthError | Token | str]
    """
    kwargs = _get_kwargs(
        body=body,
        x_device_info=x_device_info,
        x_forwarded_for=x_forwarded_for,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    body: TokenRequest,
    x_device_info: str | Unset = UNSET,
    x_forwarded_for: str | Unset = UNSET,
) -> Any | OAuthError | Token | str | None:
    """
    Args:
        x_device_info (str | Unset):
        x_forwarded_for (str | Unset):
        body (TokenRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | OAuthError | Token | str
    """
    return sync_detailed(
        client=client,
        body=body,
        x_device_info=x_device_info,
        x_forwarded_for=x_forwarded_for,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: TokenRequest,
    x_device_info: str | Unset = UNSET,
    x_forwarded_for: str | Unset = UNSET,
) -> Response[Any | OAuthError | Token | str]:
    """
    Args:
        x_device_info (str | Unset):
        x_forwarded_for (str | Unset):
        body (TokenRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | OAuthError | Token | str]
    """
    kwargs = _get_kwargs(
        body=body,
        x_device_info=x_device_info,
        x_forwarded_for=x_forwarded_for,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: TokenRequest,
    x_device_info: str | Unset = UNSET,
    x_forwarded_for: str | Unset = UNSET,
) -> Any | OAuthError | Token | str | None:
    """
    Args:
        x_device_info (str | Unset):
        x_forwarded_for (str | Unset):
        body (TokenRequest):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | OAuthError | Token | str
    """
    return (
        await asyncio_detailed(
            client=client,
            body=body,
            x_device_info=x_device_info,
            x_forwarded_for=x_forwarded_for,
        )
    ).parsed

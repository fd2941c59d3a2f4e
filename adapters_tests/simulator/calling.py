"""Calls of an application and of a tester to a simulator, as plain HTTP."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

import requests

from dcrauth.simulator import Environment, Simulator

Site = Simulator | Environment


def control(site: Site, order: str, **fields: Any) -> Any:
    """Give an order; return what is told."""
    answer = requests.post(f"{site.url}/control/{order}", json=fields, timeout=20)
    return answer.json() | ({} if answer.ok else {"status": answer.status_code})


def told(site: Site, name: str) -> Any:
    """Ask for something."""
    return requests.get(f"{site.url}/control/{name}", timeout=20).json()


def token(site: Site, **options: Any) -> str:
    """Register, and return a token."""
    body = {"software_statement": site.software_statement}
    fields = requests.post(f"{site.url}/o/client/register", json=body, timeout=20, **options).json()
    form = {name: fields[name] for name in ("client_id", "client_secret")} | {"grant_type": "client_credentials"}
    return str(requests.post(f"{site.url}/o/client/token", data=form, timeout=20, **options).json()["access_token"])


def call(site: Site, value: str | None = None, path: str = "/api/v2/REF30/configuration", **options: Any) -> int:
    """Call an API; return the status."""
    headers = {} if value is None else {"Authorization": f"Bearer {value}"}
    method = options.pop("method", "GET")
    return requests.request(method, f"{site.url}{path}", headers=headers, timeout=20, **options).status_code


def raw(site: Site, head: str, body: str = "") -> bytes:
    """Send a request as it stands; return the answer, up to the end of the connection."""
    address = urlsplit(site.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as connection:
        length = [] if "Content-Length" in head else [f"Content-Length: {len(body)}"]
        lines = [*head.splitlines(), *length, "Connection: close"]
        connection.sendall("\r\n".join([*lines, "", body]).encode())
        found = b""
        while part := connection.recv(65_536):
            found += part
        return found

"""What it costs to sign a request with a token in hand, beside setting a header that is always the same."""

from __future__ import annotations

import dataclasses
import gc
import importlib
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from peer_clients import Contestant, Place
from turns import sync_flow, time_sync

Sign = Callable[[Any], Any]


def unsigned(library: str, url: str) -> Callable[[], Any]:
    """Return what makes a request of *library* as its client makes it before it is signed."""
    if library == "requests":
        import requests

        return requests.Request("GET", url, headers=requests.utils.default_headers()).prepare
    client = importlib.import_module(library).Client()
    return lambda: client.build_request("GET", url)


def signer(library: str, client: Any) -> Sign:
    """Return what *client* does with a request to sign it."""
    if library == "requests":
        return client.auth  # type: ignore[no-any-return]
    response = importlib.import_module(library).Response(200)
    if not hasattr(client, "token_auth"):
        return sync_flow(client.auth, response)
    flow = sync_flow(client.token_auth, response)

    def sign(request: Any) -> None:  # what Authlib does in the client itself
        client.ensure_active_token(client.token)
        flow(request)

    return sign


def costs(
    where: Place, contestants: Iterable[Contestant], static: Iterable[Contestant], rounds: int
) -> dict[str, float]:
    """Return the microseconds by which signing with each is above a static header on the same HTTP client.

    Those of one HTTP client take turns in one process, and the best round of each counts.
    """
    found: dict[str, float] = {}
    for base in static:
        beside = [each for each in contestants if each.http == base.http]
        with ExitStack() as stack:
            signers = {}
            for each in [base, *beside]:
                folder = os.path.join(where.folder, each.name.replace("*", ""))
                os.mkdir(folder)
                client = stack.enter_context(each.opened(dataclasses.replace(where, folder=folder)))
                client.get(f"{where.api_url}/films")  # fetches the token
                signers[each.name] = signer(base.http, client)
            gc.disable()
            times = time_sync(signers, unsigned(base.http, f"{where.api_url}/films"), rounds)
            gc.enable()
        found |= {each.name: times[each.name] - times[base.name] for each in beside}
    return found

"""What transports with equal options share, and who takes part in it."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme

from adapters_tests.common.clients import KINDS, Kind
from dcrauth import AdobePass, MemoryStore
from dcrauth.transports._options import TransportOptions


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The TLS contexts that are made in a test."""
    contexts: list[object] = []
    original = TransportOptions._new_context

    def counted(options: TransportOptions, own: Any) -> Any:
        contexts.append(original(options, own))
        return contexts[-1]

    monkeypatch.setattr(TransportOptions, "_new_context", counted)
    return contexts


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.backend or kind.library == "aiohttp"], ids=str)
def test_a_hundred_auth_objects_make_one_tls_context(kind: Kind, provider: AdobePass, made: list[object]) -> None:
    """Equal auth objects, each with a source of its own, have one TLS context between them."""
    transport = kind.auth._own_transport
    transport().close()
    gc.collect()
    auths = [kind.auth(provider, store=MemoryStore(), instance=str(number)) for number in range(100)]
    contexts = {id(auth._source._driver.transport.tls_context()) for auth in auths}
    assert len(contexts) == 1
    assert len(made) <= 1  # none, if another test's is still there


def test_threads_that_begin_at_once_make_one_context(transport_kind: Any, bundle: Path, made: list[object]) -> None:
    """64 workers whose first call comes at the same moment read the certificates once."""
    transports = [transport_kind(ca_bundle=bundle) for _ in range(64)]
    with ThreadPoolExecutor(64) as threads:
        contexts = set(threads.map(lambda each: each.tls_context(), transports))
    assert (len(contexts), len(made)) == (1, 1)


def test_only_equal_options_share(transport_kind: Any, bundle: Path) -> None:
    """Another certificate, timeout or class is another pool; a path is the same however it is given."""
    first = transport_kind(ca_bundle=bundle)

    class Own(transport_kind):  # type: ignore[misc]
        """One that may differ in anything."""

    for other in (transport_kind(ca_bundle=bundle, read_timeout=1.0), transport_kind(), Own(ca_bundle=bundle)):
        assert other._shared is not first._shared
    assert transport_kind(ca_bundle=str(bundle))._shared is first._shared


def test_nothing_is_kept_for_nobody(transport_kind: Any, tmp_path: Path) -> None:
    """With the last transport goes what it has shared, and the next one begins anew."""
    trusted = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(trusted))
    first = transport_kind(ca_bundle=trusted)
    context, shared = weakref.ref(first.tls_context()), weakref.ref(first._shared)
    del first
    gc.collect()
    assert (context(), shared()) == (None, None)

"""What processes know beside the store, which ends with the history that they are in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from dcrauth.engine import known, options


@contextmanager
def nothing_known() -> Iterator[None]:
    """Have nothing known of any identity, and keep nothing that is learnt: a process would keep it for its lifetime."""
    fresh = known.KnownIdentities()
    with mock.patch.object(known, "KNOWN", fresh), mock.patch.object(options, "KNOWN", fresh):
        yield

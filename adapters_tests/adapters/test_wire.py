"""What goes over the wire to Adobe is what it was before other servers were known."""

from __future__ import annotations

import pytest

from adapters_tests.adapters.wire import GOLDEN, told
from adapters_tests.adapters.wire.recording import CLIENTS, recorded


@pytest.mark.filterwarnings("ignore::dcrauth.StoreWarning")
@pytest.mark.parametrize(
    "library", ["requests", *(pytest.param(each, marks=pytest.mark.slow) for each in list(CLIENTS)[1:])]
)
def test_adobe_is_sent_what_it_always_was(library: str) -> None:
    """Registrations, token calls and what requests carry, cold, refused and forgotten, are those of the golden."""
    assert told(recorded(library)) == GOLDEN.read_text(encoding="utf-8")

"""For tests: `FakeAuth` in the place of a ``DCRAuth``, a clock, and tests for what users write themselves.

It may import whatever it tests and what is below that. A newcomer starts with `store_contract`, which says line by line
what a store has to do, or with `fake_auth`. The fixtures for pytest are in `_dcrauth_pytest`, beside the package.
"""

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcrauth.testing.fake_auth import FakeAuth as FakeAuth
    from dcrauth.testing.fake_auth import FakeCall as FakeCall
    from dcrauth.testing.manual_clock import ManualClock as ManualClock

__all__ = ["FakeAuth", "FakeCall", "ManualClock"]

_LATER = {"FakeAuth": "fake_auth", "FakeCall": "fake_auth", "ManualClock": "manual_clock"}
"""Where names come from that are not imported along: not every test needs an HTTP library."""

if (_pytest := sys.modules.get("pytest")) is not None:
    # So that a broken promise is shown with the values that broke it.
    _pytest.register_assert_rewrite("dcrauth.testing.store_contract", "dcrauth.testing._races")


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module 'dcrauth.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"dcrauth.testing.{_LATER[name]}"), name)

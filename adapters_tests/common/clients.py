"""The clients that are tested: those that can be installed side by side, or niquests, which takes urllib3's place."""

from __future__ import annotations

import importlib.util

from adapters_tests.common.faces import TIMEOUT, Answer, App, Kind

HAS_NIQUESTS_ALONE = importlib.util.find_spec("niquests") is not None and importlib.util.find_spec("requests") is None

if HAS_NIQUESTS_ALONE:
    from adapters_tests.common.niquests_clients import KINDS
else:
    from adapters_tests.common.usual_clients import KINDS

WITH_HISTORY = [kind for kind in KINDS if kind.library != "aiohttp"]
"""aiohttp has redirects in its history, and nothing else."""

__all__ = ["HAS_NIQUESTS_ALONE", "KINDS", "TIMEOUT", "WITH_HISTORY", "Answer", "App", "Kind"]

"""Authorization servers that nobody here wrote, for all tests that want one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from adapters_tests.servers.oauth_servers import SERVERS, Missing, RunningServer, running


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """Each of the servers, running."""
    with ExitStack() as ending:
        try:
            started = ending.enter_context(running(request.param, request.config.cache.mkdir("oauth-servers")))
        except Missing as why:
            pytest.skip(str(why))
        yield started

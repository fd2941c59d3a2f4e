"""What the parts of a `FakeAuth` for the HTTP libraries share."""

from typing import Any

from dcrauth.adapters.adapter import Adapter
from dcrauth.providers.protocol import Provider
from dcrauth.testing._fake_tokens import FakeSource, FakeTokens


class FakeAdapter(Adapter):
    """An adapter with tokens that are made up.

    Parameters:
        provider: whose origins, headers and verdicts it goes by.
        tokens: where the tokens come from.
        everywhere: whether every origin gets them, whatever the provider says.
    """

    def __init__(self, provider: Provider, tokens: FakeTokens, *, everywhere: bool) -> None:
        super().__init__(FakeSource(provider, tokens))
        self._tokens = tokens
        self._everywhere = everywhere

    def _protects(self, scheme: str, host: str | None, port: int | None) -> bool:
        return self._everywhere or super()._protects(scheme, host, port)

    def _note(self, request: Any) -> None:
        """Keep in mind that *request* is sent."""
        self._tokens.note(request.method, request.url, request.headers.get("Authorization"))

    def _refuses(self, request: Any) -> bool:
        """Whether *request* is to be answered by 401."""
        return self._tokens.refuses(request.headers.get("Authorization"))

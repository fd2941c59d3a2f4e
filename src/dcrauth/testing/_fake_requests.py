"""The part of a `FakeAuth` that is for requests."""

from typing import Any

import requests

from dcrauth.requests import DCRAuth
from dcrauth.testing._fake_adapter import FakeAdapter


class Fake(FakeAdapter, DCRAuth):
    """The adapter for requests, with tokens that are made up."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put a token on *request*."""
        signed = super().__call__(request)
        self._note(signed)
        return signed

    def answered(self, response: requests.Response, **settings: Any) -> requests.Response:
        """Refuse what is to be refused, and then do what the adapter does."""
        if self._refuses(response.request):
            response.status_code, response.reason = 401, "Unauthorized"
        answer = super().answered(response, **settings)
        if answer is not response:
            self._note(answer.request)
        return answer

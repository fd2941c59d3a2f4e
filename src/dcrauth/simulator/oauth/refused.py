"""A call that is refused: its code, and the answer to it in the shape that is asked for."""

from dcrauth.simulator.messages import NEVER_STORE, Reply
from dcrauth.simulator.oauth.behaviour import OAuthBehaviour


class Refused(Exception):
    """A call is answered with an error of OAuth.

    Parameters:
        code: ``error`` of the answer.
        why: the same in a sentence, ``error_description`` of the answer.
        status: status of the answer.
        headers: header fields of the answer.
        bare: whether it has no body.
    """

    def __init__(
        self, code: str, why: str, *, status: int = 400, headers: tuple[tuple[str, str], ...] = (), bare: bool = False
    ) -> None:
        super().__init__(why)
        self.code = code
        self.why = why
        self.status = status
        self.headers = headers
        self.bare = bare

    def reply(self, behaviour: OAuthBehaviour) -> Reply:
        """Return the answer."""
        shape = "empty" if self.bare else behaviour.error_shape
        headers = (*self.headers, *NEVER_STORE)
        if shape == "empty":
            return Reply(self.status, b"", headers, self.why)
        if shape == "html":
            return Reply(self.status, b"<html><h1>No</h1></html>", (("Content-Type", "text/html"), *headers), self.why)
        told = {"error": self.code, "error_description": self.why}
        return Reply.json(self.status, {"error": told} if shape == "nested" else told, *headers, why=self.why)


def bearer_refused(why: str, *, bare: bool = False) -> Refused:
    """Return the refusal of a bearer token other than an access token (RFC 6750 §3)."""
    header = ("WWW-Authenticate", f'Bearer error="invalid_token", error_description="{why}"')
    return Refused("invalid_token", why, status=401, headers=(header,), bare=bare)

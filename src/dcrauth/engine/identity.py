"""Who is renewing: the key under which credentials and tokens are kept."""

import hashlib
import re
from dataclasses import dataclass, replace

from dcrauth.providers.origins import usual_spelling

CERTIFICATE = "certificate-"
"""In the key of a token record, what stands before the thumbprint of the certificate that the token is bound to."""

_KEY = re.compile(r"[0-9a-f]{64}\.(credentials|replaced-[0-9]{1,16})")


@dataclass(frozen=True, slots=True)
class Identity:
    """One application on one server for one instance, as a key that says nothing about any of them.

    Parameters:
        key: 64 hexadecimal digits.
        token_key: what tells the tokens of one client apart; "" where there is one.
        certificate: the thumbprint of the certificate that its tokens are bound to (RFC 8705 §3); "" for none.
    """

    key: str
    token_key: str = ""
    certificate: str = ""

    @classmethod
    def of(cls, *anchor_and_instance: str, token_key: str = "") -> "Identity":
        """Return the identity of an instance of what a provider's anchor tells apart, however URLs in that are spelled.

        The parts are length-prefixed, so that no two different tuples make the same text.

        Parameters:
            anchor_and_instance: the parts of the anchor, and the instance.
            token_key: what tells the tokens of one client apart.
        """
        *anchor, instance = anchor_and_instance
        digest = hashlib.sha256()
        for part in (*map(usual_spelling, anchor), instance):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
        return cls(digest.hexdigest(), token_key)

    def bound_to(self, certificate: str) -> "Identity":
        """Return the same with tokens that are bound to the certificate with that thumbprint; "" for none."""
        return replace(self, certificate=certificate)

    @property
    def credentials(self) -> str:
        """The key of the credentials record."""
        return f"{self.key}.credentials"

    @property
    def token(self) -> str:
        """The key of the token record."""
        bound = f"{CERTIFICATE}{self.certificate}" if self.certificate else ""
        return f"{self.key}.{'-'.join(filter(None, ('token', self.token_key, bound)))}"

    @property
    def registration(self) -> str:
        """The key of the note on a registration that has brought nothing usable."""
        return f"{self.key}.registration"

    @property
    def kept(self) -> str:
        """The key of what the flows of a provider want to find again."""
        return f"{self.key}.kept"

    @property
    def asked(self) -> str:
        """The key of the note on a call that manages the client and was not answered yet."""
        return f"{self.key}.asked"

    def replaced(self, generation: int) -> str:
        """The key under which credentials of *generation* are kept aside, or of a later one where that key is taken."""
        return f"{self.key}.replaced-{generation}"


def whose_token(key: str) -> str | None:
    """Return the key of the identity whose token, for whatever scope, a record under *key* is; None if it is none."""
    name, _, kind = key.partition(".")
    return name if kind == "token" or kind.startswith("token-") else None


def is_of_credentials(key: str) -> bool:
    """Return whether *key* is that of client credentials, in use or kept aside."""
    return _KEY.fullmatch(key) is not None


def identity_using(key: str) -> Identity | None:
    """Return whose credentials are in use under *key*; None if they are only kept aside there."""
    name, _, kind = key.partition(".")
    return Identity(name) if kind == "credentials" else None

"""What a refusal of a protected API is about: events speak of it, providers read it."""

from enum import Enum


class Verdict(Enum):
    """What a 401 of a protected API says."""

    TOKEN = "the token is refused: renew it"
    CREDENTIALS = "the token is refused because of its client: renew it, the client may be gone"
    USER = "the end user has to log in: none of our business"
    APPLICATION = "the application is not allowed: no token would help"

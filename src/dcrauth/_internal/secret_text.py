"""What a text that is to be a client secret shows itself to be instead, such as the file that the secret stands in."""

from dcrauth._internal.strict_json import json_object
from dcrauth.errors import ConfigurationError


def check_is_secret(text: str, where: str) -> None:
    """Raise ConfigurationError if *text*, which is *where* a client secret alone has to be, is something else.

    A secret is one line (RFC 6749 Appendix A.2), and no server makes one that is a JSON object.
    """
    if len(text.strip().splitlines()) > 1:
        raise _no_secret(where, "more than one line")
    try:
        json_object(text)
    except ValueError:
        return
    raise _no_secret(where, "a JSON object")


def _no_secret(where: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"{where} is {what}, and no client secret: give the value of its client_secret alone")

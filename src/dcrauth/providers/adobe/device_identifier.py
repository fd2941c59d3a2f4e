"""The ``AP-Device-Identifier`` header: which streaming device a request is about."""

import base64
import binascii
import re

from dcrauth._internal.arguments import check_instance
from dcrauth.errors import ConfigurationError

_HEADER = re.compile(r"\s*fingerprint\s+([A-Za-z0-9+/]{1,2732})={0,2}\s*", re.IGNORECASE)
"""``fingerprint`` is the only type there is (Adobe Pass documentation: AP-Device-Identifier header).

No identifier of 512 characters needs more Base64 than that.
"""


def identifier_header(identifier: str) -> str:
    """Return the value of the header for a device.

    Raises:
        ConfigurationError: *identifier* is no text of 1 to 512 characters, or UTF-8 has no bytes for it.
    """
    check_instance(identifier, "device_identifier")
    return f"fingerprint {base64.b64encode(identifier.encode()).decode()}"


def identifier_in(value: str) -> str:
    """Return the identifier in a value of the header, with or without padding.

    Raises:
        ConfigurationError: there is none in it.
    """
    found = _HEADER.fullmatch(value)
    try:
        if found is not None:
            return base64.b64decode(found[1] + "=" * (-len(found[1]) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        """It is told below."""
    raise ConfigurationError(
        "AP-Device-Identifier must be 'fingerprint' and the Base64 of an identifier in UTF-8; what a request has there "
        "is not. Send it so, or say by DCRAuth(sources, instance_of=…) whose a request is"
    )

"""The thumbprint of a client certificate, made once, and anew only when its files are not the same any more."""

import binascii
import re
import ssl
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from dcrauth._internal import fork
from dcrauth.transports._tls import no_password, version_of

_FIRST = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.+?)-----END", re.DOTALL)
_DIGITS = 16


class KeptThumbprint:
    """Keeps the thumbprint of one certificate.

    Two threads may make it at once, which comes to the same.
    """

    def __init__(self) -> None:
        self._versions: Sequence[object] = ()
        self._kept = ""

    def of(self, files: Sequence[str]) -> str:
        """Return the thumbprint of the certificate in the first of *files*, whose key is in the last.

        As long as they cannot be read, or are not of one pair, it is that of before, and "" where there was none.
        """
        if not files:
            return ""
        versions = [version_of(each) for each in files]  # first, so that what changes while it is read has changed
        if versions != self._versions:
            try:
                self._kept = _thumbprint(files[0], files[-1])
            except (OSError, ValueError):
                return self._kept
            self._versions = versions
        return self._kept


def _thumbprint(certificate: str, key: str) -> str:
    # OpenSSL takes locks meanwhile, as it does for each context.
    with fork.undivided():
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, no_password)
    found = _FIRST.search(Path(certificate).read_bytes())
    if found is None:
        raise ValueError
    return sha256(binascii.a2b_base64(found[1])).hexdigest()[:_DIGITS]

"""TLS with a certificate authority that lasts as long as the simulator."""

import ssl
from collections.abc import Iterable


class Authority:
    """A certificate authority, and a certificate of it for a server.

    Parameters:
        names: host names and addresses for which the certificate is good.

    Raises:
        ImportError: trustme is not installed.
    """

    def __init__(self, names: Iterable[str]) -> None:
        try:
            import trustme  # noqa: PLC0415  # only TLS needs it
        except ImportError as missing:
            raise ImportError("TLS needs trustme; run: pip install dcrauth[simulator]") from missing

        authority = trustme.CA()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(self.context)
        self.pem = authority.cert_pem.bytes()

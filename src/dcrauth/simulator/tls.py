"""TLS with a certificate authority that lasts as long as the simulator."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dcrauth.errors import ConfigurationError

if TYPE_CHECKING:
    from trustme import LeafCert


def is_authority(pem: bytes) -> bool:
    """Return whether *pem* is the certificate of an `Authority`, whenever that was made."""
    from cryptography import x509  # noqa: PLC0415  # only TLS needs it

    try:
        (organisation,) = x509.load_pem_x509_certificate(pem).issuer.get_attributes_for_oid(
            x509.NameOID.ORGANIZATION_NAME
        )
    except ValueError:  # it is no certificate, or one of somebody else
        return False
    return str(organisation.value).startswith("trustme ")


class Authority:
    """A certificate authority, a certificate of it for a server, and others for clients.

    Parameters:
        names: host names and addresses for which the certificate is good.

    Raises:
        ImportError: trustme is not installed.
        ConfigurationError: there is no certificate for such names.
    """

    def __init__(self, names: Iterable[str]) -> None:
        try:
            import trustme  # noqa: PLC0415  # only TLS needs it
        except ImportError as missing:
            raise ImportError("TLS needs trustme; run: pip install dcrauth[simulator]") from missing

        self._authority = trustme.CA()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._issued(*names).configure_cert(self.context)
        self.pem = self._authority.cert_pem.bytes()

    def take_clients(self) -> None:
        """Ask clients for a certificate of this authority, which they need not have."""
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self._authority.configure_trust(self.context)

    def client_certificate(self, name: str) -> bytes:
        """Return a certificate of a client, whose common and DNS name is *name*, and its key, in PEM.

        Raises:
            ConfigurationError: there is no certificate for such a name.
        """
        return self._issued(name, common_name=name).private_key_and_cert_chain_pem.bytes()

    def _issued(self, *names: str, common_name: str | None = None) -> LeafCert:
        try:
            return self._authority.issue_cert(*names, common_name=common_name)
        except ValueError as reason:  # of a name that is too long, or has letters that none has
            told = ", ".join(repr(name[:60]) for name in names)
            raise ConfigurationError(f"Names of a certificate must be host names, not {told}: {reason}") from None

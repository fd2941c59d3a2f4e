"""Certificates of clients (RFC 8705): whose they are, and tokens that are bound to them."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from cryptography import x509


def fits(certificate: bytes, metadata: Mapping[str, Any]) -> bool:
    """Whether a certificate, in DER, has the one subject that is registered (§2.1.2)."""
    read = x509.load_der_x509_certificate(certificate)
    if "tls_client_auth_subject_dn" in metadata:
        return bool(read.subject.rfc4514_string() == metadata["tls_client_auth_subject_dn"])
    names = _alternatives(read)
    return any(metadata.get(f"tls_client_auth_san_{kind}") in found for kind, found in names.items())


def thumbprint(certificate: bytes) -> str:
    """Return what a token is bound to (§3.1): base64url of the SHA-256 of the certificate; empty for none."""
    if not certificate:
        return ""
    return base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()


def _alternatives(certificate: x509.Certificate) -> dict[str, list[str]]:
    """Return the alternative names, by their kinds."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return {}
    return {
        "dns": names.get_values_for_type(x509.DNSName),
        "uri": names.get_values_for_type(x509.UniformResourceIdentifier),
        "email": names.get_values_for_type(x509.RFC822Name),
        "ip": [str(each) for each in names.get_values_for_type(x509.IPAddress)],
    }

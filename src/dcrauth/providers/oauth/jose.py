"""The library that signs, which an extra brings."""

from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

from dcrauth._internal.confidential import discreet
from dcrauth.errors import ConfigurationError


@discreet
def signing_library() -> ModuleType:
    """Return joserfc.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        import joserfc.jwk  # noqa: PLC0415  # of an extra
        import joserfc.jws  # noqa: PLC0415
        import joserfc.jwt  # noqa: PLC0415
    except ImportError:
        missing = ConfigurationError("To sign, dcrauth needs joserfc: pip install 'dcrauth[jwt]'")
    else:
        return joserfc
    raise missing


def signed_jwt(header: Mapping[str, Any], claims: Mapping[str, Any], key: Any) -> str:
    """Return *claims* as a JWT in compact form that *key*, one of joserfc's, has signed."""
    signed: str = signing_library().jwt.encode(dict(header), dict(claims), key, registry=_registry())
    return signed


@cache
def _registry() -> Any:
    """Return the algorithms of joserfc, whose own list warns of EdDSA: it has another name since RFC 9864.

    Servers do not know that name yet; and to filter the warning would change filters for all threads.
    """
    registered: Any = signing_library().jws.JWSRegistry

    class Registry(registered):  # type: ignore[misc]
        def get_alg(self, name: str) -> Any:
            return self.algorithms[name]

    return Registry()

"""JSON Web Tokens, and the key that signs statements and tokens.

The key is the same in every process and known to everybody: to make one takes longer than all else at the start, a
statement that was printed yesterday is good today, and nothing that is signed here is worth anything anywhere else.
"""

from functools import cache
from typing import Any

try:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import RSAKey
except ImportError as missing:
    raise ImportError("dcrauth.simulator needs joserfc; run: pip install dcrauth[simulator]") from missing

_P = int(
    "c3994db08ff303055e2ee351b91d3b30a630ad12ab57efa6e49721d4646bfdff"
    "ad1bddce2e38020ec376650f0f6f31f83458ff3b0a310f699c632c9b5f74262c"
    "412ebced582487021849d4a44e2e00f9f521363b635e7c9f01081242776e8fea"
    "9b36cf47856dae4971a7dc99210a3b2f9faa9c84530aa1084e2c1cc3f57e731f",
    16,
)
_Q = int(
    "bba889ed5169e49b674e1ac7e0a1cc6036fc68277c6fcc65ed57e3dc792495cc"
    "59231f501468c5db55e9e8417e8421128b585d1ef8fd3474dd682124f28fb47b"
    "5c365a49fd4978af78024ce66c606456cd6252dfe89bcdd0d1ccc5eda01a53d9"
    "453de4db9171169e9bbdbb0cab5d88bca50fcc91c5f6d2d9ee4c849e49140301",
    16,
)
_E = 65_537


def signed(claims: dict[str, Any]) -> str:
    """Return a JWT with these claims."""
    return jwt.encode({"alg": "RS256"}, claims, _key())


def verified(text: str) -> dict[str, Any] | None:
    """Return the claims of a JWT; None where *text* is none that was signed here."""
    try:
        return jwt.decode(text, _key(), algorithms=["RS256"]).claims
    except (JoseError, ValueError):
        return None


def public_keys() -> dict[str, Any]:
    """Return the key for others, as a JWK set."""
    return {"keys": [dict(_key().as_dict(private=False))]}


@cache
def _key() -> RSAKey:
    """Return the key; read once for each process."""
    d = pow(_E, -1, (_P - 1) * (_Q - 1))
    numbers = rsa.RSAPrivateNumbers(
        _P, _Q, d, d % (_P - 1), d % (_Q - 1), pow(_Q, -1, _P), rsa.RSAPublicNumbers(_E, _P * _Q)
    )
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)  # which would take as long as all else
    return RSAKey(key, key)

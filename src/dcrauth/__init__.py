"""Access tokens for APIs behind OAuth 2.0 Dynamic Client Registration, inside the HTTP client you already have.

The adapters are modules of their own, named after the library they attach to: ``dcrauth.requests``, ``dcrauth.httpx``,
``dcrauth.httpx2`` and ``dcrauth.aiohttp``. Each exports ``DCRAuth``. Importing ``dcrauth`` imports none of them.
Stores, and what is for servers other than Adobe's, are imported when they are first named: some need more than the
package itself.
"""

import importlib
from typing import TYPE_CHECKING

from dcrauth import events
from dcrauth._internal.version import __version__ as __version__
from dcrauth.credentials import AccessToken, ClientCredentials
from dcrauth.engine.clock import Clock
from dcrauth.engine.listener_on_loop import on_loop
from dcrauth.engine.source import TokenSource
from dcrauth.engine.sources import TokenSources
from dcrauth.engine.status import Status
from dcrauth.engine.workers import set_workers
from dcrauth.errors import (
    ConfigurationError,
    CredentialsRejected,
    DCRAuthError,
    DecryptionFailed,
    InsecureStore,
    InstanceRefused,
    RegistrationRejected,
    RegistrationsLimited,
    Rejected,
    ServerUnavailable,
    StoreCorrupt,
    StoreError,
    StoreLost,
    StoreTooNew,
    StoreUnavailable,
    StoreWarning,
    Throttled,
    Unavailable,
)
from dcrauth.policy import Policy
from dcrauth.providers.adobe.adobe_pass import AdobePass
from dcrauth.providers.adobe.device_info import DeviceInfo, DeviceInfoWarning
from dcrauth.providers.adobe.enhanced_error import EnhancedError
from dcrauth.providers.protocol import Provider
from dcrauth.providers.software_statement import SoftwareStatement
from dcrauth.stores import Store
from dcrauth.stores.memory import MemoryStore
from dcrauth.transports import Transport

if TYPE_CHECKING:
    from dcrauth.providers.oauth.client_assertion import ClientSecretJWT as ClientSecretJWT
    from dcrauth.providers.oauth.client_assertion import PrivateKeyJWT as PrivateKeyJWT
    from dcrauth.providers.oauth.client_authentication import ClientSecret as ClientSecret
    from dcrauth.providers.oauth.client_authentication import MutualTLS as MutualTLS
    from dcrauth.providers.oauth.oauth_server import OAuthServer as OAuthServer
    from dcrauth.stores.by_url import open_store as open_store
    from dcrauth.stores.encrypted import EncryptedStore as EncryptedStore
    from dcrauth.stores.file import FileStore as FileStore
    from dcrauth.stores.redis import RedisStore as RedisStore
    from dcrauth.stores.sqlite import SQLiteStore as SQLiteStore

__all__ = [
    "AccessToken",
    "AdobePass",
    "ClientCredentials",
    "ClientSecret",
    "ClientSecretJWT",
    "Clock",
    "ConfigurationError",
    "CredentialsRejected",
    "DCRAuthError",
    "DecryptionFailed",
    "DeviceInfo",
    "DeviceInfoWarning",
    "EnhancedError",
    "FileStore",
    "InsecureStore",
    "InstanceRefused",
    "MemoryStore",
    "MutualTLS",
    "OAuthServer",
    "Policy",
    "PrivateKeyJWT",
    "Provider",
    "RegistrationRejected",
    "RegistrationsLimited",
    "Rejected",
    "ServerUnavailable",
    "SoftwareStatement",
    "Status",
    "Store",
    "StoreCorrupt",
    "StoreError",
    "StoreLost",
    "StoreTooNew",
    "StoreUnavailable",
    "StoreWarning",
    "Throttled",
    "TokenSource",
    "TokenSources",
    "Transport",
    "Unavailable",
    "events",
    "on_loop",
    "open_store",
    "set_workers",
]

_ASSERTION = "dcrauth.providers.oauth.client_assertion"
_AUTHENTICATION = "dcrauth.providers.oauth.client_authentication"
_LATER = {
    "ClientSecret": _AUTHENTICATION,
    "ClientSecretJWT": _ASSERTION,
    "EncryptedStore": "dcrauth.stores.encrypted",
    "FileStore": "dcrauth.stores.file",
    "MutualTLS": _AUTHENTICATION,
    "OAuthServer": "dcrauth.providers.oauth.oauth_server",
    "PrivateKeyJWT": _ASSERTION,
    "RedisStore": "dcrauth.stores.redis",
    "SQLStore": "dcrauth.stores.sql",
    "SQLiteStore": "dcrauth.stores.sqlite",
    "open_store": "dcrauth.stores.by_url",
}
"""Where names come from that are not imported along; those that need an extra or sqlite3 are not in ``__all__``."""


_ELSEWHERE = {
    "DCRAuth": "the module of your HTTP library: dcrauth.requests, .httpx, .httpx2, .aiohttp or .niquests",
    "FakeAuth": "dcrauth.testing",
    "OAuthSimulator": "dcrauth.simulator",
    "Simulator": "dcrauth.simulator",
}
"""Where names are that are looked for here."""


def __getattr__(name: str) -> object:
    if name in _ELSEWHERE:  # an AttributeError would lose its text: ``from dcrauth import`` makes another one
        raise ImportError(f"{name} is not in dcrauth; import it from {_ELSEWHERE[name]}", name="dcrauth")
    if name not in _LATER:
        raise AttributeError(f"module 'dcrauth' has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)

"""Access tokens for APIs behind OAuth 2.0 Dynamic Client Registration, inside the HTTP client you already have.

The adapters are modules of their own, named after the library they attach to: ``dcrauth.requests``, ``dcrauth.httpx``,
``dcrauth.httpx2`` and ``dcrauth.aiohttp``. Each exports ``DCRAuth``. Importing ``dcrauth`` imports none of them.
"""

from dcrauth import events
from dcrauth.adobe import AdobePass
from dcrauth.clock import Clock
from dcrauth.credentials import AccessToken, ClientCredentials
from dcrauth.device import DeviceInfo, DeviceInfoWarning
from dcrauth.errors import (
    ConfigurationError,
    CredentialsRejected,
    DCRAuthError,
    DecryptionFailed,
    InsecureStore,
    RegistrationRejected,
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
from dcrauth.provider import Provider
from dcrauth.source import TokenSource
from dcrauth.statement import SoftwareStatement
from dcrauth.stores import Store
from dcrauth.stores.file import FileStore
from dcrauth.stores.memory import MemoryStore
from dcrauth.transports import Transport

__all__ = [
    "AccessToken",
    "AdobePass",
    "ClientCredentials",
    "Clock",
    "ConfigurationError",
    "CredentialsRejected",
    "DCRAuthError",
    "DecryptionFailed",
    "DeviceInfo",
    "DeviceInfoWarning",
    "FileStore",
    "InsecureStore",
    "MemoryStore",
    "Policy",
    "Provider",
    "RegistrationRejected",
    "Rejected",
    "ServerUnavailable",
    "SoftwareStatement",
    "Store",
    "StoreCorrupt",
    "StoreError",
    "StoreLost",
    "StoreTooNew",
    "StoreUnavailable",
    "StoreWarning",
    "Throttled",
    "TokenSource",
    "Transport",
    "Unavailable",
    "events",
]

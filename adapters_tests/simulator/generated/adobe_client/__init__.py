"""A client library for accessing Adobe Pass as dcrauth's simulator plays it"""

from .client import AuthenticatedClient, Client

__all__ = (
    "AuthenticatedClient",
    "Client",
)

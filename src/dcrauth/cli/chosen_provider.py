"""The provider that settings outside of a program describe: Adobe Pass, unless they name another server."""

from dcrauth.providers.adobe.adobe_pass import AdobePass
from dcrauth.providers.oauth.from_settings import check_unnamed, is_named
from dcrauth.providers.oauth.oauth_server import OAuthServer
from dcrauth.providers.settings import Settings


def provider_of(settings: Settings, protects: str | None = None) -> AdobePass | OAuthServer:
    """Return the provider that *settings* describe, with its store and its instance.

    Parameters:
        settings: which hold here.
        protects: the URL of the API that may see the token of an OAuth server, where no setting names one.

    Raises:
        ConfigurationError: a setting is missing or wrong, or one of an OAuth server that no setting names.
    """
    if is_named(settings):
        return OAuthServer.from_settings(settings, protects)
    check_unnamed(settings)
    return AdobePass.from_settings(settings)

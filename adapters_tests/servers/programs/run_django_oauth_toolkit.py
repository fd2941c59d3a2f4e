"""Django OAuth Toolkit, below a prefix: its issuer has a path."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

from adapters_tests.servers.programs.serving import Steering, listening, serve


def configure(folder: str) -> None:
    """Set Django up, with a database of its own."""
    settings.configure(
        SECRET_KEY="secret",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="adapters_tests.servers.programs.django_urls",
        USE_TZ=True,
        LOGGING_CONFIG=None,
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(Path(folder, "database")),
                "OPTIONS": {"timeout": 20},
            }
        },
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # fast: nothing here is worth more
        OAUTH2_PROVIDER={
            "SCOPES": {"read": "Read", "write": "Write"},
            "DCR_ENABLED": True,
            "DCR_REGISTRATION_PERMISSION_CLASSES": ("oauth2_provider.dcr.AllowAllDCRPermission",),
        },
    )
    django.setup()
    call_command("migrate", verbosity=0)


def main() -> None:
    """Run it."""
    bound, url = listening()
    with tempfile.TemporaryDirectory() as folder:
        configure(folder)
        orders: dict[str, Any] = {"revoke-token": _revoke, "delete-client": _delete}
        serve(bound, Steering(_grant_of, orders).around(get_wsgi_application()), issuer=f"{url}/o")


def _tokens(text: str) -> Any:
    from oauth2_provider.models import get_access_token_model

    return get_access_token_model().objects.filter(token=text)


def _grant_of(text: str) -> dict[str, Any] | None:
    token = _tokens(text).first()
    if token is None or not token.is_valid():
        return None
    return {"client_id": token.application.client_id, "scope": token.scope}


def _revoke(text: str) -> None:
    for token in _tokens(text):
        token.expires -= timedelta(days=365)
        token.revoke()


def _delete(client_id: str) -> None:
    from oauth2_provider.models import get_application_model

    get_application_model().objects.filter(client_id=client_id).delete()


if __name__ == "__main__":
    main()

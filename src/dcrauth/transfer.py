"""Moving credentials between stores, where the documentation names it."""

from dcrauth.engine.transfer import (
    NoCredentials,
    Transferred,
    copy_credentials,
    export_credentials,
    import_client,
    import_credentials,
)

__all__ = [
    "NoCredentials",
    "Transferred",
    "copy_credentials",
    "export_credentials",
    "import_client",
    "import_credentials",
]

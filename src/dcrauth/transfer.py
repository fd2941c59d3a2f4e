"""Moving credentials between stores, and proving those that come from elsewhere, where the documentation names it."""

from dcrauth.engine.client_proof import prove_client
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
    "prove_client",
]

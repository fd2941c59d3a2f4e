"""``dcrauth store encrypt``: from now on nothing in a store is in plain text."""

from dcrauth._internal.store_urls import KEY_FILE, KEY_SERVICE, KEY_VARIABLE, is_encrypted
from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.output import complain, say, visible, write_json
from dcrauth.cli.settings import CommandSettings, store_at
from dcrauth.errors import ConfigurationError

_PATIENCE = 30.0
"""For how many seconds a keyring may take to answer: somebody may have to unlock it."""

_PLACES = {KEY_SERVICE: "the keyring", KEY_FILE: "the file", KEY_VARIABLE: "the variable"}


def encrypt(settings: CommandSettings, *, as_json: bool = False) -> int:
    """Encrypt every record that is in plain text, with the key that is named, or a new one in its place."""
    kind, name = _named(settings)
    where = settings.read()["store"]
    if is_encrypted(where or ""):
        raise ConfigurationError(
            "Name the store to encrypt as the plain one that it is, without encrypted+ and the key"
        )
    from dcrauth.stores.encrypted import EncryptedStore  # noqa: PLC0415  # needs an extra
    from dcrauth.stores.first_key import first_key  # noqa: PLC0415  # the same

    plain = store_at(where, settings.prefix)
    key, is_new = first_key(plain, kind, name, timeout=_PATIENCE)
    if is_new and not as_json:
        say(f"A new key is in {_PLACES[kind]} {visible(name)}; keep a copy of it apart from the store")
    with EncryptedStore(plain, keys=[key]) as store:
        count = store.migrate()
        is_empty = next(iter(store.keys()), None) is None
    if is_empty:
        complain("warning: that store has no records; if your application has some, name the store that it uses")
    if as_json:
        write_json({"schema": 1, "encrypted": count, "key_made": is_new})
    else:
        say(f"{count} records encrypted; give --{kind.replace('_', '-')} {visible(name)} from now on")
    return ExitCode.GOOD


def _named(settings: CommandSettings) -> tuple[str, str]:
    """Return where the key is, and the name there; one key is to be named, since it is that which encrypts."""
    given = {KEY_SERVICE: settings.key_services, KEY_FILE: settings.key_files, KEY_VARIABLE: settings.key_variables}
    named = [(kind, name) for kind, names in given.items() for name in names]
    if len(named) != 1:
        raise ConfigurationError(
            "Give the key to encrypt with, and one only: --key-service SERVICE of the system's keyring, "
            "--key-file FILE or --key-variable NAME"
        )
    return named[0]

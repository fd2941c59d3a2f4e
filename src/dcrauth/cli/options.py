"""The options that many commands have, for Typer."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from dcrauth.cli.arguments import EMPTY
from dcrauth.cli.settings import CommandSettings
from dcrauth.stores.by_url import KINDS

P = ParamSpec("P")


def filled(value: str | None) -> str | None:
    """Refuse an option or argument that is empty: an empty name or path is never meant."""
    if value is not None and not value.strip():
        raise typer.BadParameter(EMPTY)
    return value


def all_filled(values: list[str] | None) -> list[str] | None:
    """Do what `filled` does, of an option that may be repeated."""
    for value in values or ():
        filled(value)
    return values


def text_option(name: str, help_text: str, metavar: str = "TEXT") -> Any:
    """Return what declares an option of text."""
    return typer.Option(f"--{name}", metavar=metavar, help=help_text, callback=filled)


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reveal = Annotated[bool, typer.Option("--reveal", help="Print secrets as they are.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_PROFILE = text_option("profile", "Which profile of config.toml to use [$DCRAUTH_PROFILE].", "NAME")
_STORE = text_option("store", f"Where credentials are: {KINDS} [$DCRAUTH_STORE].", "WHERE")
_PREFIX = text_option("prefix", "What the keys in a Redis begin with, if it is not dcrauth:")
_KEYS = {
    "key_file": ("FILE", "The key of an encrypted store; may be repeated."),
    "key_variable": ("NAME", "The same, from an environment variable."),
    "key_service": ("SERVICE", "The same, from the system's keyring, of user dcrauth."),
}
_OF_PROVIDER = {
    "software_statement": ("FILE", "The software statement's file [$DCRAUTH_SOFTWARE_STATEMENT]."),
    "environment": ("NAME", "Which of Adobe's environments [$DCRAUTH_ENVIRONMENT]."),
    "base_url": ("URL", "In the place of the environment, as of a simulator [$DCRAUTH_BASE_URL]."),
    "instance": ("TEXT", "Which instance of the application this is [$DCRAUTH_INSTANCE]."),
    "device_identifier": ("TEXT", "The device's own identifier [$DCRAUTH_DEVICE_IDENTIFIER]."),
    "issuer": ("URL", "An OAuth server in the place of Adobe Pass [$DCRAUTH_ISSUER]."),
    "token_endpoint": ("URL", "The same, of one without metadata [$DCRAUTH_TOKEN_ENDPOINT]."),
    "client_id": ("ID", "A client that there is already, at such a server [$DCRAUTH_CLIENT_ID]."),
    "client_secret_file": ("FILE", "The file of its secret [$DCRAUTH_CLIENT_SECRET_FILE]."),
    "scope": ("TEXT", "What the token of such a server is for [$DCRAUTH_SCOPE]."),
}

_ALL: dict[str, Any] = {
    "profile": Annotated[str | None, _PROFILE],
    **{
        name: Annotated[str | None, text_option(name.replace("_", "-"), told, metavar)]
        for name, (metavar, told) in _OF_PROVIDER.items()
    },
    "store": Annotated[str | None, _STORE],
    "prefix": Annotated[str | None, _PREFIX],
    **{
        name: Annotated[
            list[str] | None,
            typer.Option(f"--{name.replace('_', '-')}", metavar=metavar, help=told, callback=all_filled),
        ]
        for name, (metavar, told) in _KEYS.items()
    },
}


OF_STATEMENT = ("profile", "software_statement")
"""The options of commands that need the statement only."""

BUT_CLIENT = tuple(name for name in _ALL if name not in {"client_id", "client_secret_file"})
"""The options of commands for which a client is something else: all but those that give one."""

OF_STORE = ("profile", "store", "prefix", *_KEYS)
"""The options of commands that need the store only."""


def with_settings(command: Callable[Concatenate[CommandSettings, P], int]) -> Callable[..., int]:
    """Give *command* the options of all settings, which come to it as its first argument."""
    return with_options(tuple(_ALL))(command)


def with_options(
    names: tuple[str, ...],
) -> Callable[[Callable[Concatenate[CommandSettings, P], int]], Callable[..., int]]:
    """Return what gives a command those options of settings that are named."""

    def decorate(command: Callable[Concatenate[CommandSettings, P], int]) -> Callable[..., int]:
        @functools.wraps(command)
        def run(*args: P.args, **options: P.kwargs) -> int:
            return command(_settings({name: options.pop(name) for name in names}), *args, **options)

        own = list(inspect.signature(command).parameters.values())[1:]
        shared = [inspect.Parameter(name, _KEYWORD, default=None, annotation=_ALL[name]) for name in names]
        signature = inspect.Signature([each.replace(kind=_KEYWORD) for each in own] + shared)
        run.__signature__ = signature  # type: ignore[attr-defined]  # which is what Typer reads, along with annotations
        run.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()}
        del run.__wrapped__  # it has another signature
        return run

    return decorate


def _settings(named: dict[str, Any]) -> CommandSettings:
    profile, prefix = named.pop("profile"), named.pop("prefix", None)
    sources = [tuple(named.pop(name, None) or ()) for name in _KEYS]
    return CommandSettings(profile, named, prefix, *sources)


_KEYWORD = inspect.Parameter.KEYWORD_ONLY

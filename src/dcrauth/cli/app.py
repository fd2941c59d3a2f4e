"""The command with the extra: all commands, declared with Typer, one module each for their work."""

import functools
import os
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from dcrauth._internal.version import __version__
from dcrauth.cli import access_token, arguments, client, completion, configuration, operating, simulate, transfer
from dcrauth.cli import device_info as device
from dcrauth.cli import statement as software_statement
from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.options import BUT_CLIENT, OF_STORE, Json, filled, text_option, with_options, with_settings
from dcrauth.cli.output import write_line
from dcrauth.cli.settings import CommandSettings
from dcrauth.cli.store import app as store
from dcrauth.errors import ConfigurationError
from dcrauth.providers.adobe.environments import Environment
from dcrauth.stores.by_url import KINDS

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 80}

app = typer.Typer(
    name="dcrauth",
    add_completion=False,  # `completion` prints the scripts, and writes into nobody's files
    pretty_exceptions_enable=False,  # they may show variables, and with them secrets
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
    no_args_is_help=False,
    context_settings=_SETTINGS,
)

_Refused: type[Exception] = typer.BadParameter.__mro__[2]
"""What Typer, or the click in it, raises of arguments."""


def run(arguments: Sequence[str]) -> int:
    """Run the command that *arguments* ask for, and return its exit status; where they name none, list all."""
    command = _command()
    if os.environ.get(completion.VARIABLE):
        completion.answer(command, arguments)
    if _names_no_command(arguments):
        run([*arguments, "--help"])
        return ExitCode.USAGE
    try:
        with command.make_context("dcrauth", list(arguments)) as context:
            return int(command.invoke(context))
    except typer.Exit as end:
        return end.exit_code
    except _Refused as wrong:
        raise _usage_error(wrong) from None
    except typer.Abort:
        return ExitCode.INTERRUPTED


def _names_no_command(arguments: Sequence[str]) -> bool:
    return list(arguments) in ([], *([each.name] for each in app.registered_groups))


@functools.cache
def _command() -> Any:
    return typer.main.get_command(app)


def _usage_error(wrong: BaseException) -> ConfigurationError:
    """Return *wrong*, an error of Typer's, as a sentence of ours."""
    where = getattr(getattr(wrong, "ctx", None), "command_path", "dcrauth")
    text = getattr(wrong, "format_message", wrong.__str__)().strip().rstrip(".")
    text = text.replace("Value error, ", "")  # which pydantic puts before ours
    return ConfigurationError(f"{' '.join(text.split())}; see {where} --help")


def _show_version(wanted: bool) -> None:
    if wanted:
        write_line(f"dcrauth {__version__}")
        raise typer.Exit


@app.callback()
def _of_all(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and the log; may stand anywhere.")] = False,
) -> None:
    """Access tokens for APIs behind OAuth 2.0 Dynamic Client Registration."""


app.command("token")(with_settings(access_token.token))
app.add_typer(software_statement.app, name="statement")
app.add_typer(device.app, name="device-info")
app.add_typer(store.app, name="store")
app.command("forget")(with_settings(client.forget))
app.command("restore")(with_settings(client.restore))
app.command("config")(with_settings(configuration.config))
app.command("status")(with_settings(operating.tell_status))
app.command("check")(with_settings(operating.run_check))


@app.command("export")
@with_options(OF_STORE)
def _export(
    settings: CommandSettings,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", callback=filled, help="A new file, which will hold secrets in plain text; - for a pipe."
        ),
    ],
    as_json: Json = False,
) -> int:
    """Write the client credentials of a store to a file."""
    return transfer.export_to(settings, file, as_json=as_json)


@app.command("import")
@with_options(BUT_CLIENT)
def _import(
    settings: CommandSettings,
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", callback=filled, help="What dcrauth export wrote; - for standard input."),
    ] = None,
    client_id: Annotated[
        str | None, text_option("client-id", "One client; its secret is read from standard input.", "ID")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace credentials that differ; they are kept aside.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="With --client-id: whether the server has to know the client.")
    ] = True,
    as_json: Json = False,
) -> int:
    """Read client credentials into a store.

    They come from an exported file, or, with --client-id, of one client that was registered by hand.
    """
    wanted = transfer.Import(file, client_id, overwrite=overwrite, verify=verify)
    return transfer.import_from(settings, wanted, as_json=as_json)


@app.command("demo")
def _demo(
    software_statement: Annotated[
        str | None, text_option("software-statement", "Run the safe part against the real service.", "FILE")
    ] = None,
    environment: Annotated[
        Environment | None,
        typer.Option("--environment", metavar="NAME", help="Which one; default: release-production."),
    ] = None,
    service_provider: Annotated[
        str | None, text_option("service-provider", "Whose configuration to ask for.", "ID")
    ] = None,
    store: Annotated[
        str | None, text_option("store", f"Keep the client there: {KINDS}; default: nowhere for long.", "WHERE")
    ] = None,
) -> int:
    """Show the life of a client, step by step.

    It is played against the simulator, or, with --software-statement, a safe part of it against the real service.
    """
    from dcrauth.cli import demo  # noqa: PLC0415  # needs extras that other commands do not

    return demo.demo(software_statement, environment, service_provider, store)


@app.command("simulate")
def _simulate(
    port: Annotated[int, typer.Option("--port", help="Port to listen on; 0 for any that is free.")] = 0,
    seconds: Annotated[
        str | None, typer.Option("--seconds", metavar="S", help="Stop after so many; default: at Ctrl-C.")
    ] = None,
    settings: Annotated[str | None, text_option("settings", "TOML file: what it is made with.", "FILE")] = None,
    scenario: Annotated[str | None, text_option("scenario", "TOML file: what goes wrong, and when.", "FILE")] = None,
    base_path: Annotated[
        str | None, typer.Option("--base-path", metavar="PATH", help="What all its paths begin with.")
    ] = None,
    authority: Annotated[
        str | None, text_option("authority", "Speak HTTPS; the certificate to trust is written there.", "FILE")
    ] = None,
    oauth: Annotated[
        bool, typer.Option("--oauth", help="An OAuth authorization server instead of Adobe Pass.")
    ] = False,
    statement_file: Annotated[
        str | None, text_option("statement-file", "Write its software statement there, for other commands.", "FILE")
    ] = None,
    as_json: Json = False,
) -> int:
    """Simulate Adobe Pass, or an OAuth server, on loopback."""
    wanted = simulate.Wanted(port, _seconds(seconds), settings, scenario, base_path, authority, oauth, statement_file)
    return simulate.simulate(wanted, as_json=as_json)


@app.command("completion")
def _completion(shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="Which shell.")]) -> int:
    """Print the script that completes commands in a shell."""
    write_line(completion.script(shell))
    return ExitCode.GOOD


def _seconds(value: str | None) -> float | None:
    try:
        return None if value is None else arguments.seconds(value)
    except ValueError:
        raise ConfigurationError("--seconds is not a number of seconds; see dcrauth simulate --help") from None

"""Settings outside of a program: which one wins, where each comes from, and what is wrong with one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dcrauth import ConfigurationError, OAuthServer
from dcrauth.providers.settings import PROFILE, VARIABLES, read_settings

STATEMENT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAiLCJpYXQiOjF9.canary"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the profiles, which is not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in (*VARIABLES.values(), PROFILE):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "dcrauth").mkdir()
    return tmp_path / "dcrauth" / "config.toml"


def test_nothing_is_said_anywhere(config: Path) -> None:
    """Where nobody says anything the defaults hold, and say that they are."""
    found = read_settings()
    assert found.profile is None
    assert found["environment"] == "release-production"
    assert found["software_statement"] is None
    assert {each.origin for each in found.found} == {"default"}


@pytest.mark.parametrize("name", VARIABLES)
def test_what_is_nearer_wins(config: Path, name: str) -> None:
    """For each setting: what the program gives comes before the variable, and that before the profile."""
    config.write_text(f'[profiles.default]\n{name} = "/profile"\n')
    variables = {VARIABLES[name]: "/variable"}
    assert read_settings(environment={}).setting(name).value == "/profile"
    assert read_settings(environment={}).setting(name).origin == "profile default"
    assert read_settings(environment=variables).setting(name).value == "/variable"
    assert read_settings(environment=variables).setting(name).origin == f"${VARIABLES[name]}"
    assert read_settings(given={name: "/given"}, environment=variables)[name] == "/given"


@pytest.mark.parametrize("value", ["", "  ", "\t"])
def test_an_empty_variable_is_one_that_is_not_set(config: Path, value: str) -> None:
    """Empty variables, one by one and all together, change nothing, and it is known that they were seen."""
    usual = read_settings(environment={})
    for name in (*VARIABLES.values(), PROFILE):
        found = read_settings(environment={name: value})
        assert (found.found, found.profile, found.ignored) == (usual.found, None, (name,))
    everything = dict.fromkeys((*VARIABLES.values(), PROFILE), value)
    assert read_settings(environment=everything).found == usual.found


def test_blanks_around_a_variable_are_no_part_of_it(config: Path) -> None:
    """A variable with blanks or a line end around its value, as from a file, is the value."""
    assert read_settings(environment={"DCRAUTH_INSTANCE": " device-42\n"})["instance"] == "device-42"


def test_the_profile_is_chosen_by_argument_then_by_variable(config: Path) -> None:
    """The profile that is named is used, and one that is not there is an error that names those that are."""
    config.write_text('[profiles.default]\ninstance = "a"\n[profiles.staging]\ninstance = "b"\n')
    assert read_settings(environment={})["instance"] == "a"
    assert read_settings(environment={PROFILE: "staging"})["instance"] == "b"
    assert read_settings("default", environment={PROFILE: "staging"})["instance"] == "a"
    with pytest.raises(ConfigurationError, match=r"no profile 'live' in .*config\.toml; it has 'default', 'staging'"):
        read_settings("live", environment={})


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("statement.txt", "{folder}/statement.txt"),
        ("/etc/statement.txt", "/etc/statement.txt"),
        ("~/statement.txt", "~/statement.txt"),
        (STATEMENT, STATEMENT),
    ],
)
def test_paths_of_a_profile_begin_beside_it(config: Path, value: str, path: str) -> None:
    """A path in a profile that begins nowhere is one in the folder of the file, wherever a program runs."""
    config.write_text(f'[profiles.default]\nsoftware_statement = "{value}"\n')
    assert read_settings(environment={})["software_statement"] == path.format(folder=config.parent)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("sqlite:devices.db", "sqlite:{folder}/devices.db"),
        ("file:devices", "file:{folder}/devices"),
        ("devices", "{folder}/devices"),
        ("redis://127.0.0.1/0", "redis://127.0.0.1/0"),
        ("encrypted+devices?key_file=key", "encrypted+{folder}/devices?key_file={folder}/key"),
        ("encrypted+/data?key_service=shop", "encrypted+/data?key_service=shop"),
        ("encrypted+file:devices?key_service=shop", "encrypted+file:{folder}/devices?key_service=shop"),
        ("encrypted+sqlite:/d.db?key_file=key&key_file=/k", "encrypted+sqlite:/d.db?key_file={folder}/key&key_file=/k"),
        ("encrypted+redis://h/0?key_file=key", "encrypted+redis://h/0?key_file={folder}/key"),
        ("file:~/devices", "file:~/devices"),
        ("env:STORE", "env:STORE"),
    ],
)
def test_stores_of_a_profile_are_beside_it(config: Path, value: str, path: str) -> None:
    """The same holds for stores in files."""
    config.write_text(f'[profiles.default]\nstore = "{value}"\n')
    assert read_settings(environment={})["store"] == path.format(folder=config.parent)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[profiles", "is not TOML"),
        ("store = 'x'", "'store'"),
        ("profiles = 1", "nothing else"),
        ("[profiles]\ndefault = 1", "table of texts"),
        ("[profiles.default]\ninstance = 1", "table of texts"),
        ("[profiles.default]\nstroe = 'x'", "'stroe', which is no setting"),
    ],
)
def test_a_file_that_is_none_is_an_error(config: Path, text: str, says: str) -> None:
    """What is wrong with the file is said with its path; nothing is read from the rest of it."""
    config.write_text(text)
    with pytest.raises(ConfigurationError, match=says) as caught:
        read_settings(environment={})
    assert str(config) in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_cannot_be_read_is_an_error(config: Path) -> None:
    """A file that may not be read is not taken for none."""
    config.write_text("")
    config.chmod(0)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_settings(environment={})


def test_a_folder_in_its_place_is_an_error(config: Path) -> None:
    """What is no file is not taken for none."""
    config.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_settings(environment={})


def test_no_secret_is_shown() -> None:
    """Neither a repr nor what may be shown of a setting has a statement, or the password of a store."""
    given = {"software_statement": STATEMENT, "store": "redis://user:canary@127.0.0.1/0?password=canary"}
    found = read_settings(given=given, environment={})
    told = [found.setting(name).told for name in given]
    assert "canary" not in f"{found!r} {told}"
    assert told == [f"a statement of {len(STATEMENT)} characters", "redis://…@127.0.0.1/0?…"]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://:ca?nary@host/0", "redis://…"),
        ("redis://:ca/n#ary@host/0", "redis://…@host/0"),
        ("redis://:can@ary@host/0", "redis://…@host/0"),
        ("redis://host/0?password=can@ary", "redis://…"),
        ("encrypted+redis://:canary@host/0?key_service=shop", "encrypted+redis://…@host/0?…"),
        ("encrypted+file:store?key_file=canary", "encrypted+file:store?…"),
        ("encrypted+store?key_file=canary", "encrypted+store?…"),
        ("postgresql+psycopg://u:canary@host/db?sslpassword=canary", "postgresql+psycopg://…@host/db?…"),
        ("odd?name", "odd?name"),
    ],
)
def test_no_part_of_a_password_in_a_url_is_shown(url: str, told: str) -> None:
    """Whatever stands in a password, unescaped as well, no part of it is shown."""
    assert read_settings(given={"store": url}, environment={}).setting("store").told == told


@pytest.mark.parametrize("name", ["base_url", "issuer", "token_endpoint", "registration_endpoint", "protects"])
def test_no_password_in_another_url_is_shown(name: str) -> None:
    """A password that stands in a URL where none should is not shown either; the rest of it is."""
    setting = read_settings(given={name: "https://u:canary@host/path"}, environment={}).setting(name)
    assert setting.told == "https://…@host/path"
    assert "canary" not in repr(setting)


def test_several_urls_are_shown_each() -> None:
    """Of the URLs of several APIs each is shown without a password."""
    given = {"protects": "https://a.example https://u:canary@b.example"}
    assert (
        read_settings(given=given, environment={}).setting("protects").told == "https://a.example https://…@b.example"
    )


def test_blanks_around_a_value_are_not_part_of_it(config: Path) -> None:
    """Wherever a value is said: by the program, a variable or a profile, also where it is a path."""
    config.write_text('[profiles.default]\ninstance = " a "\nstore = " /x "\n')
    found = read_settings(given={"base_url": " https://a "}, environment={"DCRAUTH_ENVIRONMENT": " release-staging\n"})
    names = ("instance", "store", "base_url", "environment")
    assert [found[name] for name in names] == ["a", "/x", "https://a", "release-staging"]


@pytest.mark.parametrize("name", ["software_statement", "initial_access_token_file", "registration_endpoint"])
def test_a_client_that_is_given_is_not_registered(name: str) -> None:
    """What only a registration needs is an error beside a client's id, as it is in a program."""
    variables = {
        "DCRAUTH_TOKEN_ENDPOINT": "https://issuer.example/token",
        "DCRAUTH_PROTECTS": "https://api.example",
        "DCRAUTH_CLIENT_ID": "reports",
        "DCRAUTH_CLIENT_SECRET": "s3cret",
    }
    assert OAuthServer.from_settings(read_settings(environment=variables)).given_id == "reports"
    variables[f"DCRAUTH_{name.upper()}"] = "https://issuer.example/register"
    told = rf"{name} \(\$DCRAUTH_{name.upper()}\) is for a client that is registered"
    with pytest.raises(ConfigurationError, match=told):
        OAuthServer.from_settings(read_settings(environment=variables))

"""What environment and files give, which names count where, and files that nobody should trust."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.settings.hosts import ROOT, USER, WALLET

from wnm.app.invocation import Command, Invocation
from wnm.app.sources import Gathered, gather
from wnm.cli.parse import parse
from wnm.core.errors import BadInput, NeedsOperator
from wnm.core.layers import Resolved, resolve


class Place:
    """A home and a working directory with files in them."""

    def __init__(self, base: Path) -> None:
        self.home = base / "home"
        self.folder = base / "work"
        self.root_file = base / "antctl-config"
        self.home.mkdir()
        self.folder.mkdir()

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file; `~` is the home."""
        where = self.home / path[2:] if path.startswith("~/") else self.folder / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(text.encode() if isinstance(text, str) else text)
        return where

    def gather(
        self, line: str = "", *, root: bool = False, environ: Mapping[str, str] | None = None
    ) -> Gathered:
        """Gather as wnm would, started in the working directory."""
        host = replace(ROOT if root else USER, home=str(self.home), environ=environ or {})
        return gather(parse(line.split()), host, folder=self.folder, root_file=self.root_file)

    def use(self, line: str = "") -> Resolved:
        """Gather and resolve."""
        return resolve(self.gather(line).layers, USER)

    def given(self, line: str = "", **options: object) -> dict[str, dict[str, str]]:
        """The layers that give anything, by name."""
        found = self.gather(line, **options)  # type: ignore[arg-type]
        return {layer.name: dict(layer.values) for layer in found.layers if layer.values}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_nothing_given_is_nothing(place: Place) -> None:
    assert place.given() == {}
    assert place.gather().invocation == Invocation()


def test_all_layers_in_order(place: Place) -> None:
    dotenv = place.write(".env", "export NODE_CAP='3'\n")
    place.root_file.write_text('NODE_CAP="4"\nNodeCap=20\n')
    asked = place.write("mine.conf", "node_cap = 5\n")
    upper = place.write("~/.local/share/wnm/config", "node_cap: 6\n")
    lower = place.write("~/wnm/config", "node-cap 7\n")
    found = place.gather(f"--node_cap 1 -c {asked}", root=True, environ={"NODE_CAP": "2"})
    names = [
        "command line",
        "environment",
        str(dotenv),
        str(place.root_file),
        str(asked),
        str(upper),
        str(lower),
    ]
    assert [layer.name for layer in found.layers] == names
    assert [layer.values["node_cap"] for layer in found.layers] == list("1234567")


def test_the_root_file_is_only_read_for_root(place: Place) -> None:
    place.root_file.write_text("NODE_CAP=4\n")
    assert place.given() == {}
    assert place.given(root=True) == {str(place.root_file): {"node_cap": "4"}}


def test_a_config_of_anm_is_no_error(place: Place) -> None:
    place.root_file.write_text(
        'RewardsAddress="--rewards-address 0x12"\nDelayUpgrade=$DelayStart\nif [ -f x ]; then\n  y=$(id)\nfi\n'
        "echo 'open\n"
    )
    assert place.given(root=True) == {}


GENERIC = {"HOST": "box", "ENVIRONMENT": "production", "INTERVAL": "5", "NODE_VERSION": "20.1.0"}
OTHERS = {
    "USER": "ada",
    "COUNT": "3",
    "REPORT": "x",
    "FORCE_ACTION": "remove",
    "DRY_RUN": "1",
    "SERVICE_NAME": "x",
    "INIT": "1",
    "DBPATH": "/x",
    "LOGLEVEL": "x",
    "CONFIG": "x",
    "VERSION": "1",
    "THIS_SURVEY": "1",
}


def test_names_of_other_software_do_nothing(place: Place) -> None:
    assert place.given(environ={**GENERIC, **OTHERS}) == {}
    assert place.gather(environ={**GENERIC, **OTHERS}).invocation == Invocation()


def test_nor_in_a_dotenv_that_may_be_of_other_software(place: Place) -> None:
    place.write(".env", "".join(f"{name}={text}\n" for name, text in {**GENERIC, **OTHERS}.items()))
    assert place.given() == {}


def test_with_the_prefix_they_count(place: Place) -> None:
    environ = {f"WNM_{name}": text for name, text in GENERIC.items()}
    meant = {"host": "box", "environment": "production", "this_action_delay": "5", "node_version": "20.1.0"}
    assert place.given(environ=environ) == {"environment": meant}


@pytest.mark.parametrize(
    "content",
    [
        b'# edit this file\nRewardsAddress="--rewards-address 0x1"\nENVIRONMENT=prod\nNODE_CAP=7\n',
        b"export NodeStorage=/mnt\nWNM_NO_SUCH=1\n",
        b"",
        b"# cut\nDelayStart=5\nCpuLess",
        b"MemRemove=90\n",
        b"HDLessThan=3\n\xff\xfe not UTF-8 $(touch /tmp/never)\n",
    ],
)
def test_a_config_of_anm_in_the_place_of_ours_is_passed_over(place: Place, content: bytes) -> None:
    file = place.root_file
    file.write_bytes(content)
    file.chmod(0o666)
    assert place.given(root=True) == {}


def test_in_files_of_our_own_they_count(place: Place) -> None:
    place.root_file.write_text("HOST=a\nINTERVAL=1\n")
    config = place.write("~/wnm/config", "host = b\ninterval = 2\nenvironment = A=1\n")
    assert place.given(root=True) == {
        str(place.root_file): {"host": "a", "this_action_delay": "1"},
        str(config): {"host": "b", "this_action_delay": "2", "environment": "A=1"},
    }


@pytest.mark.parametrize("order", [1, -1])
def test_the_name_with_prefix_is_stronger(place: Place, order: int) -> None:
    environ = dict([("WNM_NODE_CAP", "1"), ("NODE_CAP", "2")][::order])
    assert place.given(environ=environ) == {"environment": {"node_cap": "1"}}


def test_an_empty_variable_is_none_unless_the_setting_can_be_cleared(place: Place) -> None:
    environ = {
        "NODE_CAP": "",
        "WNM_CPU_REMOVE": " ",
        "START_ARGS": "",
        "WNM_ENVIRONMENT": "",
        "WNM_DBPATH": "",
    }
    assert place.given(environ=environ) == {"environment": {"start_args": "", "environment": ""}}


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("WNM_NODE_CAPP", "did you mean WNM_NODE_CAP?"),
        ("WNM_FORCE_ACTION", "only the command line may say --force_action"),
        ("WNM_INIT", "only the command line may say --init"),
        ("WNM_COUNT", "only the command line"),
        ("WNM_CONFIRM", "only the command line"),
        ("WNM_REPORT", "only the command line"),
        ("WNM_SERVICE_NAME", "only the command line"),
        ("WNM_REMOVE_LOCKFILE", "only the command line"),
        ("WNM_CONFIG", "only the command line"),
    ],
)
def test_our_names_that_mean_nothing_are_refused(place: Place, variable: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        place.gather(environ={variable: "1"})
    assert message in str(caught.value)
    assert "(environment)" in str(caught.value)
    dotenv = place.write(".env", f"{variable}=1\n")
    with pytest.raises(BadInput) as caught:
        place.gather()
    assert str(dotenv) in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("node_capp = 3", "'node_capp' ({}): did you mean node_cap?"),
        ("NODE_CAP = 3", "did you mean node_cap?"),
        ("force_action = remove", "only the command line may say --force_action"),
        ("init = true", "only the command line"),
        ("dry_run = true", "only the command line"),
        ("count = 5", "only the command line"),
        ("report = x", "only the command line"),
        ("user = x", "no setting is called 'user'"),
        ("= 3", "line 2 of {} is not understood"),
        ("node_cap = 3" + " " * 100_000 + "x", "line 2 of {} is not understood"),
    ],
)
def test_keys_of_a_config_that_mean_nothing_are_refused(place: Place, line: str, message: str) -> None:
    for path, option in (("~/wnm/config", ""), ("mine", "-c {}")):
        file = place.write(path, f"# mine\n{line}\n")
        with pytest.raises(BadInput) as caught:
            place.gather(option.format(file))
        assert message.format(file) in str(caught.value)
        file.unlink()


def test_the_syntax_of_config_files(place: Place) -> None:
    file = place.write(
        "mine",
        "; a comment\n[section]\n---\n\nnode_cap = 3  # three\n--cpu-remove 90\nstart_args = \"--peer 'a b'\"\n"
        "environment = ''\nno_upnp\nnode_storage = [/mnt/a, /mnt/b]\nhost: nas\r\n",
    )
    assert place.given(f"-c {file}") == {
        str(file): {
            "node_cap": "3",
            "cpu_remove": "90",
            "start_args": "--peer 'a b'",
            "environment": "",
            "no_upnp": "true",
            "node_storage": "/mnt/a,/mnt/b",
            "host": "nas",
        }
    }


def test_nothing_in_a_file_is_expanded_or_run(place: Place) -> None:
    dotenv = place.write(".env", "START_ARGS=\"${HOME}$(id)\"\nNODE_CAP='`id`'\n")
    assert place.given(environ={"HOME": "/x"}) == {
        str(dotenv): {"start_args": "${HOME}$(id)", "node_cap": "`id`"}
    }


def test_options_of_the_run(place: Place) -> None:
    place.write("~/wnm/config", "dbpath = /config.db\nloglevel = warning\nlog_format = json\n")
    place.write(".env", "WNM_DBPATH=/dotenv.db\n")
    asked = place.gather("--loglevel ERROR").invocation
    assert (asked.dbpath, asked.loglevel, asked.log_format) == ("/dotenv.db", "ERROR", "json")
    assert place.gather(environ={"WNM_DBPATH": "/environ.db"}).invocation.dbpath == "/environ.db"
    assert place.gather("--dbpath /given.db", environ={"WNM_DBPATH": "/x"}).invocation.dbpath == "/given.db"
    with pytest.raises(BadInput, match="--loglevel cannot be 'loud'"):
        place.gather(environ={"WNM_LOGLEVEL": "loud"})


@pytest.mark.parametrize(
    ("text", "dry"), [("true", True), ("1", True), ("YES", True), ("false", False), ("", False)]
)
def test_the_environment_may_ask_for_a_dry_run(place: Place, text: str, dry: bool) -> None:
    assert place.gather(environ={"WNM_DRY_RUN": text}).invocation.dry_run is dry
    assert place.gather("--dry_run", environ={"WNM_DRY_RUN": text}).invocation.dry_run is True


def test_a_dry_run_asked_for_by_the_environment_is_never_ignored(place: Place) -> None:
    with pytest.raises(BadInput, match="--init cannot be a dry run"):
        place.gather("--init", environ={"WNM_DRY_RUN": "true"})
    with pytest.raises(BadInput, match="WNM_DRY_RUN cannot be 'perhaps'"):
        place.gather(environ={"WNM_DRY_RUN": "perhaps"})
    assert (
        place.gather("--force_action stop", environ={"WNM_DRY_RUN": "on"}).invocation.command is Command.FORCE
    )


def test_a_config_that_was_asked_for_has_to_be_there(place: Place) -> None:
    for path in (place.folder / "none", place.folder, Path("/dev/null/x")):
        with pytest.raises(BadInput, match=str(path)):
            place.gather(f"-c {path}")


HOSTILE: list[tuple[str, bytes]] = [
    ("not UTF-8", b"node_cap = \xff\xfe\n"),
    ("too large", b"#" * 1_000_001),
    ("unclosed quote", b"NODE_CAP='3\n"),
    ("control character", b"NODE_CAP='\x1b[31m'\nnode_cap = \x1b\n"),
    ("NUL", b"NODE_CAP=\x00\n"),
]


@pytest.mark.parametrize(("what", "content"), HOSTILE)
@pytest.mark.parametrize("path", [".env", "~/wnm/config"])
def test_hostile_files_end_in_one_line(place: Place, path: str, what: str, content: bytes) -> None:
    place.write(path, content)
    with pytest.raises(BadInput) as caught:
        place.use()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("path", [".env", "~/wnm/config"])
def test_a_pipe_is_refused_without_waiting_for_it(place: Place, path: str) -> None:
    file = place.write(path, "")
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(BadInput, match="not an ordinary file"):
        place.gather()


def test_a_name_without_a_value_gives_nothing(place: Place) -> None:
    place.write(".env", "NODE_CAP\n# a comment\n")
    assert place.given() == {}


def test_a_folder_called_dotenv_is_somebody_elses(place: Place) -> None:
    (place.folder / ".env").mkdir()
    assert place.given() == {}


def test_a_link_that_leads_nowhere_is_no_file(place: Place) -> None:
    (place.folder / ".env").symlink_to(place.folder / "gone")
    assert place.given() == {}


def test_a_loop_of_links_needs_the_operator(place: Place) -> None:
    (place.folder / ".env").symlink_to(place.folder / ".env")
    with pytest.raises(NeedsOperator, match=r"\.env cannot be read"):
        place.gather()


@pytest.mark.parametrize("path", [".env", "~/wnm/config"])
def test_a_file_that_everybody_may_write_is_not_trusted_unless_asked_for(place: Place, path: str) -> None:
    file = place.write(path, "WNM_NODE_CAP=3\n" if path == ".env" else "node_cap = 3\n")
    file.chmod(0o666)
    with pytest.raises(NeedsOperator, match="not trusted"):
        place.gather()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_another_user_is_not_trusted_unless_asked_for(place: Place) -> None:
    file = place.write("~/wnm/config", "node_cap = 3\n")
    os.chown(file, 12345, 12345)
    with pytest.raises(NeedsOperator, match="belongs to another user"):
        place.gather()
    asked = file.rename(place.folder / "mine")
    assert place.given(f"-c {asked}") == {str(asked): {"node_cap": "3"}}


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_an_unreadable_file_needs_the_operator(place: Place) -> None:
    place.write(".env", "NODE_CAP=3\n").chmod(0)
    with pytest.raises(NeedsOperator, match=r"\.env cannot be read"):
        place.gather()


def test_unreadable_statements_of_others_are_passed_over(place: Place) -> None:
    dotenv = place.write(".env", "OTHER='open\nNODE_CAP=3\n")
    assert place.given() == {str(dotenv): {"node_cap": "3"}}
    place.write(".env", "FINE=1\nNODE_CAP='3\n")
    with pytest.raises(BadInput, match=r"line 2 of .*\.env is not understood"):
        place.gather()


def test_what_was_gathered_resolves_with_its_origin(place: Place) -> None:
    config = place.write("~/wnm/config", f"rewards_address = {WALLET}\nnode_cap = 5\n")
    found = place.use("--cpu_remove 90")
    assert found.origins["node_cap"] == str(config)
    assert found.origins["cpu_remove"] == "command line"
    place.write("~/wnm/config", f"rewards_address = {WALLET}\nnode_cap = x\n")
    with pytest.raises(BadInput, match=f"node_cap cannot be 'x' .{config}."):
        place.use()

"""Handing a cycle over to root: what is asked of sudo, and what is told to the other side."""

import os
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from wnm import wiring
from wnm.app.context import Context
from wnm.app.elevate import CODE_OFFSET, elevated_command, needs_root, read, sudoers_line, written
from wnm.app.invocation import Command, Invocation
from wnm.core.errors import BadInput
from wnm.core.host import Host
from wnm.core.layers import Layer

HOST = Host(
    platform="linux", is_root=False, user="op", home="/home/op", environ={"HOME": "/home/op"}, usable_cores=2
)
RUN = Context(
    asked=Invocation(
        command=Command.FORCE,
        force_action="remove",
        service_names=("antnode0001", "antnode0003"),
        confirm=True,
        given={"node_cap": "3"},
    ),
    layers=(
        Layer(name="command line", values={"node_cap": "3"}),
        Layer(name='a file, with "quotes"', values={"environment": "A='x y' B=$(id)"}),
    ),
    host=HOST,
    began=1.5,
    wiring=wiring,
)


def test_the_whole_run_arrives_as_it_was() -> None:
    arrived = read(written(RUN), wiring)
    assert (arrived.asked, arrived.layers, arrived.host, arrived.began) == (
        RUN.asked,
        RUN.layers,
        RUN.host,
        RUN.began,
    )


def test_a_run_cannot_have_begun_later_than_now() -> None:
    assert read(written(replace(RUN, began=1e12)), wiring).began < 1e12


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"asked": {}}', "\0", '{"asked": {"command": "x"}}']
)
def test_what_no_wnm_wrote_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="started by wnm itself"):
        read(text, wiring)


def test_the_line_of_sudoers_allows_exactly_the_command() -> None:
    line = sudoers_line("op")
    assert line == f"op ALL=(root) NOPASSWD: {' '.join(elevated_command())}"
    assert elevated_command()[1:] == ("-I", "-m", "wnm.cli.elevated")


def test_characters_that_mean_something_in_sudoers_are_escaped() -> None:
    assert "/opt/a\\,b\\:c\\=d/python -I" in sudoers_line("op", "/opt/a,b:c=d/python")


@pytest.mark.skipif(os.geteuid() == 0, reason="root needs nobody's help")
def test_an_ordinary_users_own_processes_need_no_root(tmp_path: Path) -> None:
    run = replace(RUN, asked=Invocation(dbpath=str(tmp_path / "colony.db")))
    assert needs_root(run) is False


@pytest.mark.parametrize("given", ["", "not for you", "{}"])
def test_the_other_side_does_nothing_that_it_was_not_told_by_wnm(given: str) -> None:
    done = subprocess.run(elevated_command(), input=given, capture_output=True, text=True, check=False)
    assert done.returncode == CODE_OFFSET + 2
    assert done.stdout == ""
    assert done.stderr.startswith("wnm: wnm.cli.elevated is started by wnm itself")
    assert done.stderr.count("\n") == 1

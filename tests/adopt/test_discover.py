"""Units in a folder: which have to do with nodes, by their names or by what they run."""

import os
from pathlib import Path

from wnm_adopt.discover import units_in

NODE = "[Service]\nExecStart=/srv/a/antnode0001/antnode --root-dir /srv/a/antnode0001 --port 55001\n"


def test_a_unit_of_another_name_that_runs_a_node_is_found(tmp_path: Path) -> None:
    (tmp_path / "antnode0001.service").write_text(NODE)
    (tmp_path / "my-own.service").write_text(NODE)
    (tmp_path / "ssh.service").write_text("[Service]\nExecStart=/usr/sbin/sshd -D\n")
    (tmp_path / "notes.txt").write_text(NODE)
    (tmp_path / "linked.service").symlink_to(tmp_path / "my-own.service")
    os.mkfifo(tmp_path / "pipe.service")
    assert [each.name for each in units_in(str(tmp_path), "systemd")] == [
        "antnode0001.service",
        "my-own.service",
    ]


def test_what_can_be_done_about_units_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "antnode0001.service").symlink_to(os.devnull)
    (tmp_path / "antnode0002.service").symlink_to("/srv/antnode0002.service")
    other = tmp_path / "other"
    other.mkdir()
    (other / "antnode0003.service").write_text(NODE)
    masked, link, elsewhere = units_in(str(tmp_path), "systemd", [str(other)])
    assert (masked.problem, masked.inert) == ("it is masked", True)
    assert masked.remedy == "if it is to be kept: systemctl unmask antnode0001.service"
    assert link.problem == "it is a link to /srv/antnode0002.service"
    assert link.remedy == "put that file itself there"
    assert elsewhere.problem == f"it is in {other}, where wnm writes nothing"
    assert elsewhere.remedy == f"move it to {tmp_path}"

"""The drop-ins of a unit are found in the order in which systemd lets them count."""

from pathlib import Path

from wnm.system.systemd_units import all_drop_ins


def put(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def test_a_stronger_folder_hides_a_name_and_a_link_to_nowhere_empties_it(tmp_path: Path) -> None:
    strong, weak = tmp_path / "etc", tmp_path / "lib"
    put(weak / "one.service.d", "a.conf", "weak a")
    put(weak / "one.service.d", "b.conf", "weak b")
    put(weak / "service.d", "c.conf", "for all")
    put(strong / "one.service.d", "a.conf", "strong a")
    put(strong / "one.service.d", "notes.txt", "no drop-in")
    (strong / "one.service.d" / "b.conf").symlink_to("/dev/null")
    found = all_drop_ins(strong / "one.service", (str(strong), str(weak)))
    assert found == [("a.conf", b"strong a"), ("b.conf", b""), ("c.conf", b"for all")]
    assert all_drop_ins(strong / "one.service", [str(strong)]) == [("a.conf", b"strong a"), ("b.conf", b"")]
    assert all_drop_ins(strong / "two.service", [str(strong)]) == []

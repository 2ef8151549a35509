"""The test machine itself does what a machine does when it is restarted."""

from tests.systemd.container import CHECKOUT, Machine

UNIT = """
[Service]
ExecStart=/bin/sleep infinity
ExecStop=/bin/sh -c 'echo asked to stop >>/var/tmp/stops'

[Install]
WantedBy=multi-user.target
"""
PATH = "/etc/systemd/system/sleeper.service"


def test_a_restart_ends_everything_in_order_and_starts_what_is_enabled(machine: Machine) -> None:
    machine.write(PATH, UNIT)
    machine.do("systemctl", "enable", "--now", "sleeper")
    machine.write("/tmp/gone", "")
    before, process = machine.boot_id(), machine.do("systemctl", "show", "-P", "InvocationID", "sleeper")
    machine.restart()
    assert machine.do("systemctl", "is-system-running") == "running"
    assert machine.do("systemctl", "is-active", "sleeper") == "active"
    assert machine.do("systemctl", "show", "-P", "InvocationID", "sleeper") != process
    assert machine.do("cat", "/var/tmp/stops") == "asked to stop"
    assert machine.boot_id() != before
    assert machine.exec(["test", "-e", "/tmp/gone"]).returncode == 1
    assert machine.do("/opt/wnm-venv/bin/wnm", "--version").startswith("wnm ")


def test_a_power_cut_asks_nothing_to_stop(machine: Machine) -> None:
    machine.write(PATH, UNIT)
    machine.do("systemctl", "enable", "--now", "sleeper")
    before = machine.boot_id()
    machine.crash()
    assert machine.do("systemctl", "is-active", "sleeper") == "active"
    assert machine.exec(["test", "-e", "/var/tmp/stops"]).returncode == 1
    assert machine.boot_id() != before


def test_the_machine_holds_this_checkout_and_nothing_that_git_ignores(machine: Machine) -> None:
    assert machine.do("cat", "/srv/wnm/pyproject.toml") == (CHECKOUT / "pyproject.toml").read_text().strip()
    assert machine.exec(["ls", "-d", "/srv/wnm/.git", "/srv/wnm/.venv"]).stdout == ""
    assert machine.exec(["getent", "passwd", "ant"]).returncode == 2


def test_a_boot_id_can_be_pretended(machine: Machine) -> None:
    machine.set_boot_id("b1946ac9-2f6a-4a1c-8f8e-0c7a5d2f9d10")
    assert machine.boot_id() == "b1946ac9-2f6a-4a1c-8f8e-0c7a5d2f9d10"
    machine.restart()
    assert machine.boot_id() != "b1946ac9-2f6a-4a1c-8f8e-0c7a5d2f9d10"


def test_a_lingering_user_has_units_of_their_own_after_a_restart(machine: Machine) -> None:
    unit = "/home/operator/.config/systemd/user/sleeper.service"
    machine.do("loginctl", "enable-linger", "operator")
    machine.do("install", "-d", "-o", "operator", "/home/operator/.config/systemd/user", user="operator")
    written = machine.exec(
        ["tee", unit],
        user="operator",
        given="[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=default.target\n",
    )
    assert written.returncode == 0
    machine.wait_for("systemctl", "--user", "is-system-running", user="operator")
    machine.do("systemctl", "--user", "daemon-reload", user="operator")
    machine.do("systemctl", "--user", "enable", "--now", "sleeper", user="operator")
    machine.restart()
    machine.wait_for("systemctl", "--user", "is-active", "sleeper", user="operator")

"""A pytest plugin for the container suite: a test that is marked for the machine and did not run is a failure."""

from collections.abc import Generator

import pytest

LEFT_OUT = pytest.StashKey[list[str]]()
LEFT_OUT_STATUS = 20
"""The exit status then, whatever failed beside: unlike a test that failed, it is nothing to try again."""


def pytest_configure(config: pytest.Config) -> None:
    """Start with an empty list."""
    config.stash[LEFT_OUT] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what was skipped, when it was marked for the machine."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("systemd"):
        item.config.stash[LEFT_OUT].append(item.nodeid)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run that left something out."""
    if session.config.stash[LEFT_OUT]:
        session.exitstatus = LEFT_OUT_STATUS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out."""
    left_out = config.stash[LEFT_OUT]
    if left_out:
        terminalreporter.section("left out though this is the machine for it: a failure", red=True)
        for nodeid in left_out:
            terminalreporter.line(nodeid)

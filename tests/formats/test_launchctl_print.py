"""What `launchctl print` writes, as it was printed by macOS 13 to 26."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wnm.formats.launchd import Service, origin, services

CASES = Path(__file__).parent / "cases" / "launchctl_print"


def _case(name: str) -> str:
    return (CASES / name).read_text()


def test_services_of_a_domain() -> None:
    found = services(_case("gui.txt"))
    assert found["com.autonomi.antnode-1"] == Service(pid=887, status=None)
    assert found["com.autonomi.antnode-2"] == Service(pid=None, status=0)
    assert found["com.autonomi.antnode-3"] == Service(pid=None, status=78)
    assert found["com.autonomi.antnode-4"] == Service(pid=None, status=-9)
    assert found["com.example.helper"] == Service(pid=4242, status=None)
    assert len(found) == 6


def test_a_domain_without_services() -> None:
    assert services(_case("user_without_services.txt")) == {}


@pytest.mark.parametrize("text", ["", "gui/501 = {\n\ttype = login\n}\n", "disabled services = {\n}\n"])
def test_what_lists_no_services_is_not_a_domain_without_any(text: str) -> None:
    with pytest.raises(ValueError, match="no services"):
        services(text)


def test_origin_of_a_service() -> None:
    assert origin(_case("service.txt")) == (
        "/Users/ant hill/Library/LaunchAgents/com.autonomi.antnode-1.plist"
    )
    assert origin("gui/501/x = {\n\tstate = running\n}\n") is None


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    assert (origin(text) or "") in text
    if "services = {" not in text:
        with pytest.raises(ValueError, match="no services"):
            services(text)


@given(st.text())
def test_any_lines_of_services_are_read_or_passed_over(text: str) -> None:
    found = services(f"gui/501 = {{\n\tservices = {{\n{text}\n\t}}\n}}\n")
    assert all(service.pid != 0 for service in found.values())

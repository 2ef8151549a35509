"""The calls of launchctl that agents need, and what its exit codes mean."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from msgspec import Struct

from wnm.core.errors import Transient
from wnm.formats.launchctl_print import Service, origin, services
from wnm.formats.launchd_plist import Session
from wnm.system.command import CommandFailed, Completed, run

# As `launchctl error NUMBER` explains them.
NO_SUCH_PROCESS = 3
NO_DOMAIN = 112
NO_SERVICE = 113
NOT_IN_THIS_DOMAIN = 125
# Without a graphical session older systems say the first, newer ones the last.
NOT_THERE = frozenset({NO_SUCH_PROCESS, NO_DOMAIN, NO_SERVICE, NOT_IN_THIS_DOMAIN})


class Domain(Struct, frozen=True, kw_only=True):
    """Where agents are loaded: its name, the kind of session that it is, and what is loaded there by label."""

    name: str
    session: Session
    services: Mapping[str, Service]


class Launchctl:
    """launchctl for the agents of one user. Every call ends within `patience`, or raises CommandFailed (Transient)."""

    def __init__(self, program: str, user_id: int, patience: timedelta) -> None:
        self._program = program
        self._patience = patience
        self._domains: Mapping[str, Session] = {
            f"gui/{user_id}": "Aqua",
            # What is started here outlives the graphical session, but is not loaded again after a reboot.
            f"user/{user_id}": "Background",
        }

    def domain(self) -> Domain:
        """The user's graphical session, or the one beside it when nobody is logged in at the screen.

        Transient if launchd has neither, or cannot be understood.
        """
        for name, session in self._domains.items():
            try:
                text = self._run("print", name).stdout
            except CommandFailed as error:
                if error.code in NOT_THERE:
                    continue
                raise
            try:
                return Domain(name=name, session=session, services=services(text))
            except ValueError as error:
                raise Transient(f"cannot understand {self._program} print {name}: {error}") from error
        raise Transient(f"launchd has neither {' nor '.join(self._domains)}: is that user logged in?")

    def origins(self, label: str) -> Mapping[str, str]:
        """From which file each domain has loaded a service of this label; empty if none has."""
        found = {}
        for name in self._domains:
            try:
                text = self._run("print", f"{name}/{label}").stdout
            except CommandFailed as error:
                if error.code in NOT_THERE:
                    continue
                raise
            found[name] = origin(text) or "an unknown place"
        return found

    def enable(self, domain: Domain, label: str) -> None:
        """Let it be loaded, now and whenever the user logs in."""
        self._run("enable", f"{domain.name}/{label}")

    def disable(self, domain: Domain, label: str) -> None:
        """Keep it from being loaded until it is enabled, reboots included. What runs goes on."""
        self._run("disable", f"{domain.name}/{label}")

    def bootstrap(self, domain: Domain, path: str) -> None:
        """Load a property list, which starts what it describes."""
        self._run("bootstrap", domain.name, path)

    def kickstart(self, domain: Domain, label: str) -> None:
        """Start what is loaded and does not run. Whether it runs then is for the process table to say."""
        with suppress(CommandFailed):
            self._run("kickstart", f"{domain.name}/{label}")

    def bootout(self, label: str, timeout: timedelta) -> None:
        """Ask every domain to end and forget it. Whether it did, now or later, is for `origins` to say.

        launchctl may come back before, during or after that, with 0, "in progress" or "input/output error".
        """
        for name in self.origins(label):
            with suppress(CommandFailed):
                run([self._program, "bootout", f"{name}/{label}"], min(timeout, self._patience))

    def _run(self, *arguments: str) -> Completed:
        return run([self._program, *arguments], self._patience)

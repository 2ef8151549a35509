"""What the stand-in for launchd answers to each subcommand of launchctl, in its words and with its codes.

Sources: launchctl(1) of macOS 15; `launchctl error NUMBER`; outputs and codes in public bug reports of macOS 11 to 26.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fakes.launchd_job import Job

if TYPE_CHECKING:
    from tests.fakes.launchd import Launchd

REASONS = {
    3: "No such process",
    5: "Input/output error",
    36: "Operation now in progress",
    37: "Operation already in progress",
    112: "Could not find specified domain",
    113: "Could not find specified service",
    119: "Service is disabled",
    122: "Path had bad ownership/permissions",
    125: "Domain does not support specified action",
    134: "Service cannot load in requested session",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How launchctl ends, and what it prints."""

    code: int = 0
    stdout: str = ""
    stderr: str = ""


def failed(code: int, what: str, before: str = "") -> Answer:
    """`Bootstrap failed: 5: Input/output error`, with the advice that goes with it."""
    advice = "Try re-running the command as root for richer errors.\n" if code == 5 else ""
    return Answer(code=code, stderr=f"{before}{what} failed: {code}: {REASONS[code]}\n{advice}")


class Answers:
    """The subcommands. A Job instead of an answer means: once that is gone, or when the patience with it ends."""

    def __init__(self, launchd: Launchd) -> None:
        self._launchd = launchd

    def to(self, arguments: list[str]) -> Answer | Job:
        """The answer to a call. Names that begin with `play-` are orders of a test."""
        name = arguments[0].replace("-", "_") if arguments else ""
        method = getattr(self, f"_{name}", None)
        if method is None:
            return Answer(code=64, stderr=f"Unrecognized subcommand: {name}\n")
        answer: Answer | Job = method(*arguments[1:])
        return answer

    def _bootstrap(self, domain: str, *paths: str) -> Answer:
        if domain not in self._launchd.domains:
            return failed(125, "Bootstrap")
        answers = [self._launchd.load(domain, path) for path in paths]
        return next((answer for answer in answers if answer.code), Answer())

    def _bootout(self, target: str) -> Answer | Job:
        domain, label = self._parted(target)
        if domain not in self._launchd.domains:
            return failed(125, "Boot-out")
        job = self._launchd.jobs.get((domain, label))
        if job is None:
            return failed(3, "Boot-out")
        self._launchd.unload(job)
        return job

    def _kickstart(self, *arguments: str) -> Answer:
        target = arguments[-1]
        job = self._job(target)
        if job is None:
            return self._not_found(target)
        if job.leaving:
            return Answer(code=37, stderr=f'Could not kickstart service "{job.label}": 37: {REASONS[37]}\n')
        if "-k" in arguments and job.pid:
            # What is killed is started again no sooner than its throttle allows: nothing shortens that.
            job.send(signal.SIGKILL)
        elif not job.pid and job.spawn_at is None:
            job.spawn_at = 0.0
        self._launchd.tick()
        spoken = "-p" in arguments and job.pid
        return Answer(stdout=f"service spawned with pid: {job.pid}\n" if spoken else "")

    def _kill(self, number: str, target: str) -> Answer:
        job = self._job(target)
        if job is None:
            return self._not_found(target)
        if not job.pid:
            return Answer(code=3, stderr=f'Could not signal service "{job.label}": 3: {REASONS[3]}\n')
        name = number if number.startswith("SIG") else f"SIG{number}"
        job.send(int(number) if number.isdigit() else signal.Signals[name])
        return Answer()

    def _enable(self, target: str) -> Answer:
        return self._override(target, "enable", disabled=False)

    def _disable(self, target: str) -> Answer:
        return self._override(target, "disable", disabled=True)

    def _override(self, target: str, verb: str, *, disabled: bool) -> Answer:
        domain, label = self._parted(target)
        if domain not in self._launchd.domains:
            return Answer(code=125, stderr=f"Could not {verb} service: 125: {REASONS[125]}\n")
        self._launchd.override(label, disabled)
        return Answer()

    def _print(self, target: str) -> Answer:
        domain, label = self._parted(target)
        if domain not in self._launchd.domains:
            code = int(self._launchd.config["code_no_domain"])
            kind, _, user_id = domain.partition("/")
            reason = f"Could not find domain for user {kind}: {user_id}" if code == 112 else REASONS[code]
            return Answer(code=code, stderr=f"Bad request.\n{reason}\n")
        if not label:
            return Answer(stdout=self._domain_text(domain))
        job = self._job(target)
        return Answer(stdout=service_text(job)) if job else self._not_found(target)

    def _print_disabled(self, domain: str) -> Answer:
        lines = [
            f'\t"{label}" => {"disabled" if off else "enabled"}'
            for label, off in self._launchd.disabled().items()
        ]
        return Answer(stdout="\n".join(["disabled services = {", *lines, "}", ""]))

    def _list(self, label: str | None = None) -> Answer:
        """Only the session of whoever asks, which for cron and ssh is not the graphical one."""
        caller = f"{self._launchd.config['caller']}/{self._launchd.user_id}"
        jobs = [job for (domain, _), job in self._launchd.jobs.items() if domain == caller]
        if label is None:
            rows = [f"{job.pid or '-'}\t{job.status or 0}\t{job.label}" for job in jobs]
            return Answer(stdout="\n".join(["PID\tStatus\tLabel", *rows, ""]))
        job = next((job for job in jobs if job.label == label), None)
        if job is None:
            return Answer(code=113, stderr=f'Could not find service "{label}" in domain for port\n')
        pid = f'\t"PID" = {job.pid};\n' if job.pid else ""
        return Answer(
            stdout=f'{{\n\t"Label" = "{label}";\n\t"LastExitStatus" = {job.status or 0};\n{pid}}};\n'
        )

    def _managername(self) -> Answer:
        return Answer(stdout="Aqua\n" if self._launchd.config["caller"] == "gui" else "Background\n")

    def _play_reboot(self, gui: str = "gui") -> Answer:
        """Everything ends, and whoever is at the screen (`gui`) logs in again; or nobody is (`headless`)."""
        self._launchd.log_out()
        self._launchd.has_gui = gui == "gui"
        self._launchd.log_in()
        self._launchd.tick()
        return Answer()

    def _play_log_in(self) -> Answer:
        """Somebody logs in at the screen of a machine that ran without; what runs beside it goes on."""
        self._launchd.has_gui = True
        self._launchd.log_in()
        self._launchd.tick()
        return Answer()

    def _play_config(self, key: str, value: str) -> Answer:
        """Play another of the observed variants from now on."""
        known = self._launchd.config[key]
        self._launchd.config[key] = type(known)(int(value)) if isinstance(known, bool) else type(known)(value)
        return Answer()

    def _domain_text(self, domain: str) -> str:
        jobs = [job for (place, _), job in self._launchd.jobs.items() if place == domain]
        rows = [
            f"\t\t{job.pid or 0:>8} {'-' if job.status is None else job.status:>6} \t{job.label}"
            for job in jobs
        ]
        lines = [
            f"{domain} = {{",
            f"\ttype = {'login' if domain.startswith('gui') else 'user'}",
            f"\tservice count = {len(jobs)}",
            "",
            "\tservices = {",
            *rows,
            "\t}",
            "",
            "\tunmanaged processes = {",
            "\t}",
            "",
            "\tendpoints = {",
            "\t\t 0x13d07    M   D   com.apple.example",
            "\t}",
            "}",
            "",
        ]
        return "\n".join(lines)

    def _parted(self, target: str) -> tuple[str, str]:
        kind, _, rest = target.partition("/")
        user_id, _, label = rest.partition("/")
        return f"{kind}/{user_id}", label

    def _job(self, target: str) -> Job | None:
        return self._launchd.jobs.get(self._parted(target))

    def _not_found(self, target: str) -> Answer:
        domain, label = self._parted(target)
        kind, _, user_id = domain.partition("/")
        if domain not in self._launchd.domains:
            return Answer(code=125, stderr=f"Could not find service: 125: {REASONS[125]}\n")
        where = f"domain for user {kind}: {user_id}"
        return Answer(code=113, stderr=f'Bad request.\nCould not find service "{label}" in {where}\n')


def service_text(job: Job) -> str:
    """What `print` says of a service, shortened to what anybody could be interested in."""
    if job.pid:
        state = "SIGTERMed" if job.leaving else "running"
    else:
        state = "not running" if job.spawn_at is None else "spawn scheduled"
    lines = [
        f"{job.domain}/{job.label} = {{",
        f"\tactive count = {int(bool(job.pid))}",
        f"\tpath = {job.path}",
        "\ttype = LaunchAgent",
        f"\tstate = {state}",
        "",
        f"\tprogram = {job.plist.get('Program') or job.plist['ProgramArguments'][0]}",
        f"\texit timeout = {job.exit_seconds or 0:g}",
        f"\truns = {job.runs}",
        *([f"\tpid = {job.pid}"] if job.pid else []),
        f"\tlast exit code = {'(never exited)' if job.status is None else job.status}",
        "}",
        "",
    ]
    return "\n".join(lines)

"""Every setting of wnm, declared once: meaning, unit, bounds, default, and how long it lasts."""

# ruff: noqa: RUF009 (each call returns a dataclass field)

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from posixpath import join

from wnm.core.forms.alerts import message_addresses, web_address
from wnm.core.forms.form import choice, optional, switch
from wnm.core.forms.numbers import decimal, duration, port_block, size, whole
from wnm.core.forms.paths import folder, folders
from wnm.core.forms.wallets import FAUCET, WeightedWallet, address, wallets
from wnm.core.forms.windows import Window, window
from wnm.core.forms.words import arguments, environment, host_name, user_name, version
from wnm.core.host import Host, default_manager, key_folder, log_folder, node_folder
from wnm.core.setting import REQUIRED, Spec, setting, specs_of

_YEAR = timedelta(days=366)
_PERCENT = decimal(0, 100, "%")
_LOAD = decimal(0.01, 10_000)
_RATE = size(0, 10**15, "bytes per second")
_LIMIT = whole(1, 1000, "nodes")
_DELAY = duration("minutes", timedelta(0), _YEAR)
_PAUSE = duration("milliseconds", timedelta(0), timedelta(minutes=10))
_MANAGERS = choice(
    "systemd",
    "systemd+user",
    "setsid",
    "launchd",
    aliases={"systemd+sudo": "systemd", "setsid+user": "setsid", "launchd+user": "launchd"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one run. `wnm.core.layers.resolve` fills in defaults that depend on the host."""

    rewards_address: tuple[WeightedWallet, ...] = setting(
        REQUIRED, wallets(), "who is paid; each new node draws one wallet by weight", shown="required"
    )
    donate_address: str = setting(FAUCET, address(), "what donate means", shown="the community faucet")

    node_cap: int = setting(50, whole(0, 9999, "nodes"), "most nodes on this machine")
    cpu_less_than: float = setting(
        70.0, _PERCENT, "use of all cores since the last cycle, below which nodes are added"
    )
    cpu_remove: float = setting(80.0, _PERCENT, "use of all cores above which a node is stopped")
    mem_less_than: float = setting(70.0, _PERCENT, "memory not available, below which nodes are added")
    mem_remove: float = setting(80.0, _PERCENT, "memory not available, above which a node is stopped")
    hd_less_than: float = setting(
        70.0, _PERCENT, "use of each disk with node data, below which nodes are added"
    )
    hd_remove: float = setting(80.0, _PERCENT, "use of a disk with node data, above which a node is removed")
    desired_load_average: float = setting(
        lambda host: round(0.6 * host.usable_cores, 2),
        _LOAD,
        "load averages (1, 5 and 15 minutes) all have to be below it to add nodes",
        shown="0.6 × usable cores",
    )
    max_load_average_allowed: float = setting(
        lambda host: float(host.usable_cores),
        _LOAD,
        "a load average above it stops a node",
        shown="1.0 × usable cores",
    )
    netio_read_less_than: int = setting(0, _RATE, "network input below which nodes are added; 0 = off")
    netio_read_remove: int = setting(0, _RATE, "network input above which a node is stopped; 0 = off")
    netio_write_less_than: int = setting(0, _RATE, "network output below which nodes are added; 0 = off")
    netio_write_remove: int = setting(0, _RATE, "network output above which a node is stopped; 0 = off")
    hdio_read_less_than: int = setting(0, _RATE, "disk reading below which nodes are added; 0 = off")
    hdio_read_remove: int = setting(0, _RATE, "disk reading above which a node is stopped; 0 = off")
    hdio_write_less_than: int = setting(0, _RATE, "disk writing below which nodes are added; 0 = off")
    hdio_write_remove: int = setting(0, _RATE, "disk writing above which a node is stopped; 0 = off")
    crisis_bytes: int = setting(
        2_000_000_000,
        size(0, 10**15),
        "free bytes below which nothing is added and a node is removed, whatever the percentage",
    )

    max_concurrent_upgrades: int = setting(1, _LIMIT, "most nodes being upgraded at one time")
    max_concurrent_starts: int = setting(1, _LIMIT, "most nodes starting at one time")
    max_concurrent_removals: int = setting(1, _LIMIT, "most nodes being removed at one time")
    max_concurrent_operations: int = setting(1, _LIMIT, "most nodes in any of these transitions at one time")
    delay_start: timedelta = setting(timedelta(minutes=5), _DELAY, "how long a started node may settle")
    delay_restart: timedelta = setting(timedelta(minutes=10), _DELAY, "how long a restarted node may settle")
    delay_upgrade: timedelta = setting(timedelta(minutes=5), _DELAY, "how long an upgraded node may settle")
    delay_remove: timedelta = setting(
        timedelta(minutes=10), _DELAY, "time between a node's stop and its removal"
    )
    action_delay: timedelta = setting(timedelta(0), _PAUSE, "pause between two operations")
    survey_delay: timedelta = setting(timedelta(0), _PAUSE, "pause between asking two nodes")
    this_action_delay: timedelta | None = setting(
        None,
        optional(_PAUSE),
        "action_delay for this run only",
        shown="none",
        persisted=False,
        aliases=("interval",),
    )
    this_survey_delay: timedelta | None = setting(
        None, optional(_PAUSE), "survey_delay for this run only", shown="none", persisted=False
    )

    process_manager: str = setting(
        default_manager,
        _MANAGERS,
        "what runs the nodes",
        shown="systemd for root on Linux, setsid for others, launchd on macOS",
        fixed=True,
    )
    firewall: str = setting(
        lambda host: "ufw" if host.is_root and host.ufw_active else "null",
        choice("ufw", "null"),
        "what opens the ports of nodes",
        shown="ufw for root where it is installed and active, else null",
    )
    port_start: int = setting(55, port_block(), "a node's port is this × 1000 + its id", fixed=True)
    metrics_port_start: int = setting(
        13, port_block(), "its metrics port is this × 1000 + its id", fixed=True
    )
    host: str = setting("127.0.0.1", host_name(), "where the metrics of nodes are asked", generic=True)
    no_upnp: bool = setting(True, switch(), "nodes do not ask the router to open their ports")

    node_kind: str = setting(
        lambda host: host.program_kind or "antnode",
        choice("antnode", "ant-node"),
        "which node program this is",
        shown="what antnode_path --version says",
        fixed=True,
    )
    antnode_path: str = setting(
        lambda host: host.program or join(host.home, ".local/bin/antnode"),
        folder(),
        "the node program that new and upgraded nodes copy",
        shown="~/.local/bin/antnode, else the first antnode on PATH",
    )
    node_version: str | None = setting(
        None,
        optional(version()),
        "no node is upgraded or started anew above this version",
        shown="none",
        generic=True,
    )
    upgrade_failures_allowed: int = setting(
        1, whole(1, 1000, "nodes"), "how many nodes may fail the gate of a version before it is halted here"
    )
    upgrade_window: Window | None = setting(
        None, optional(window()), "when nodes may be upgraded, in local time", shown="at any time"
    )
    upgrade_spread: timedelta = setting(
        timedelta(0),
        duration("hours", timedelta(0), timedelta(days=14)),
        "a new version is taken up to this much later, each machine at a time of its own",
    )
    node_user: str = setting(
        "ant",
        user_name(),
        "the account that nodes run as under systemd, made when it is missing; the other process managers "
        "cannot change the account",
        fixed=True,
    )
    self_upgrade: str = setting(
        "prevent",
        choice("prevent", "allow"),
        "whether nodes may replace their own program; prevent needs systemd, which runs them as another account",
    )
    environment: tuple[tuple[str, str], ...] = setting(
        (), environment(), "extra environment of new nodes", shown="empty", generic=True
    )
    start_args: tuple[str, ...] = setting((), arguments(), "extra arguments of new nodes", shown="empty")
    node_storage: tuple[str, ...] = setting(
        lambda host: (node_folder(host),),
        folders(),
        "folders that hold the root directories of nodes: one for each disk",
        shown="/var/antctl/services for root and systemd, else node in the data folder",
    )
    log_storage: str = setting(
        log_folder,
        folder(),
        "the folder that holds the log folder of each node",
        shown="/var/log/antnode for root and systemd, ~/Library/Logs/autonomi on macOS, else logs in the data folder",
    )
    keep_keys: bool = setting(True, switch(), "back up a node's secret key before its folder is deleted")
    key_storage: str = setting(
        key_folder,
        folder(),
        "the folder that secret keys are backed up to",
        shown="/var/antctl/keys for systemd, else keys in the data folder",
    )

    poll_timeout: timedelta = setting(
        timedelta(seconds=2),
        duration("seconds", timedelta(milliseconds=50), timedelta(minutes=1)),
        "how long one node's metrics may take",
    )
    cycle_timeout: timedelta = setting(
        timedelta(seconds=50),
        duration("seconds", timedelta(seconds=1), timedelta(hours=1)),
        "how long a whole cycle may take; nothing new starts in its last fifth",
    )
    stop_grace: timedelta = setting(
        timedelta(seconds=30),
        duration("seconds", timedelta(0), timedelta(minutes=10)),
        "how long a node may take to end before it is killed",
    )
    unresponsive_restart: timedelta = setting(
        timedelta(minutes=30),
        duration("minutes", timedelta(0), timedelta(days=7)),
        "how long a running node may leave its metrics unanswered before it is restarted; 0 = for ever",
    )
    history_days: int = setting(30, whole(1, 3650, "days"), "how long samples and cycles are kept")

    shun_policy: str = setting(
        "report",
        choice("report", "restart", "recycle"),
        "what is done about a node that its peers shun: say it, restart it, or remove it (its key is backed up) "
        "to make room for a new one",
    )
    shun_limit: int = setting(
        15, whole(1, 1_000_000, "shuns"), "how often a node may be shunned in a day before that counts"
    )
    shun_budget: int = setting(
        1, whole(1, 100, "nodes"), "most nodes that are restarted or removed for it in a day"
    )

    prometheus_textfile: str | None = setting(
        None,
        optional(folder()),
        "a file for the textfile collector of node_exporter (NAME.prom), written after each cycle",
        shown="none",
    )
    prometheus_targets: str | None = setting(
        None,
        optional(folder()),
        "a file for file_sd_configs of Prometheus (NAME.json): where the nodes' own metrics are",
        shown="none",
    )
    status_page: str | None = setting(
        None,
        optional(folder()),
        "a page for people (NAME.html), written after each cycle: everything about the machine in one file",
        shown="none",
    )

    alert_urls: tuple[str, ...] = setting(
        (),
        message_addresses(),
        "where alerts are sent: webhooks (https://…) and addresses of Apprise",
        shown="none",
    )
    alert_command: tuple[str, ...] = setting(
        (),
        arguments(),
        "a program that is given each alert as JSON on its standard input, run by the account that runs wnm",
        shown="none",
    )
    dead_man_url: str | None = setting(
        None,
        optional(web_address()),
        "an address that is asked for after each good cycle; whoever watches it notices when that stops",
        shown="none",
    )
    alert_disk_days: float = setting(
        7.0, decimal(0, 365, "days"), "a disk that will be full sooner than this is an alert; 0 = never"
    )

    @property
    def pause_between_actions(self) -> timedelta:
        """The pause between two operations of this run."""
        return self.action_delay if self.this_action_delay is None else self.this_action_delay

    @property
    def pause_between_polls(self) -> timedelta:
        """The pause between asking two nodes in this run."""
        return self.survey_delay if self.this_survey_delay is None else self.this_survey_delay


SPECS: Mapping[str, Spec] = specs_of(fields(Settings))
"""All settings by name, in the order of declaration."""

NAMES: Mapping[str, str] = {name: spec.name for spec in SPECS.values() for name in spec.names}
"""Every name that a setting may be given by, aliases included, and the name it stands for."""

GROUPS: Mapping[str, str] = {
    "rewards_address": "Wallets",
    "node_cap": "When to add and when to shed",
    "max_concurrent_upgrades": "Pace",
    "process_manager": "Processes and ports",
    "node_kind": "Nodes and their files",
    "poll_timeout": "Patience and memory",
    "shun_policy": "Shunned nodes",
    "prometheus_textfile": "Outputs",
    "alert_urls": "Alerts",
}
"""The heading above a setting, for those that begin a group."""

SECRET = frozenset({"alert_urls", "alert_command", "dead_man_url"})
"""Settings that may hold tokens: no report or log shows them, only exports that are meant to be read in again."""

HIDDEN = "(set; hidden)"


def shown(name: str, text: str) -> str:
    """The text of a setting as it may be shown to anybody."""
    return HIDDEN if name in SECRET and text else text


def read(name: str, text: str, host: Host) -> object:
    """The value that a text means for a setting. ValueError says what is wrong with it."""
    return SPECS[name].form.read(text, host)


def render(name: str, value: object) -> str:
    """The canonical text of a setting's value: what the database, reports and config files hold."""
    return SPECS[name].form.render(value)

"""Every setting of wnm, declared once: meaning, unit, bounds, default, and how long it lasts."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from inspect import get_annotations
from posixpath import join
from typing import Annotated, Any, TypedDict

from msgspec import NODEFAULT, Struct

from wnm.core.backends import ALIASES, PROCESS_MANAGERS
from wnm.core.forms import (
    ADDRESS,
    ARGUMENTS,
    FAUCET,
    FOLDERS,
    HOST_NAME,
    MESSAGE_ADDRESSES,
    PATH,
    PORT_BLOCK,
    SWITCH,
    USER_NAME,
    VARIABLES,
    VERSION,
    WALLETS,
    WEB_ADDRESS,
    WINDOW,
    Form,
    WeightedWallet,
    Window,
    choice,
    decimal,
    duration,
    optional,
    size,
    whole,
)
from wnm.core.host import Host, default_manager, key_folder, log_folder, node_folder

REQUIRED = object()
"""The default of a setting that has none: the operator has to give it."""

PREFIX = "WNM_"
"""The prefix that every environment name of wnm may have; see `environment_names`."""


class Spec(Struct, frozen=True, kw_only=True):
    """One setting as declared.

    `default` is a value, a function of the host, or REQUIRED; `default_shown` is its text for people.
    `persisted` settings live in the database, the others last one run. `fixed` ones never change after --init.
    A `generic` name is also used by other software, so the environment counts only with the prefix.
    `names` are the name and its aliases, `environment_names` the variables that give it, the strongest first.
    """

    name: str
    form: Form[Any]
    default: object
    default_shown: str
    meaning: str
    persisted: bool
    fixed: bool
    generic: bool
    names: tuple[str, ...]
    environment_names: tuple[str, ...]

    def default_for(self, host: Host) -> object:
        """The value when nobody gives one. KeyError if the operator has to."""
        if self.default is REQUIRED:
            raise KeyError(self.name)
        return self.default(host) if callable(self.default) else self.default


class Notes(TypedDict, total=False):
    """The rest of a declaration: `by_host` makes a default that is no constant, and `shown` says it in words."""

    by_host: Callable[[Host], object]
    shown: str
    persisted: bool
    fixed: bool
    generic: bool
    aliases: tuple[str, ...]


def specs_of(settings: type[Struct]) -> Mapping[str, Spec]:
    """The declarations of a class of settings by name, in order, with the defaults that its fields have.

    The notes of a field are its form, its meaning and perhaps `Notes`. A field without a default and without
    `by_host` has to be given by the operator.
    """
    found = {}
    fields, defaults = settings.__struct_fields__, settings.__struct_defaults__
    constants = dict(zip(reversed(fields), reversed(defaults), strict=False))
    for name, declared in get_annotations(settings).items():
        form, meaning, *rest = declared.__metadata__
        notes: Notes = rest[0] if rest else {}
        constant = constants.get(name, NODEFAULT)
        default = notes.get("by_host", REQUIRED) if constant is NODEFAULT else constant
        names = (name, *notes.get("aliases", ()))
        is_generic = notes.get("generic", False)
        found[name] = Spec(
            name=name,
            form=form,
            default=default,
            default_shown=notes.get("shown") or form.render(default) or "none",
            meaning=meaning,
            persisted=notes.get("persisted", True),
            fixed=notes.get("fixed", False),
            generic=is_generic,
            names=names,
            environment_names=(
                *(PREFIX + each.upper() for each in names),
                *(() if is_generic else (name.upper(),)),
            ),
        )
    return found


_YEAR = timedelta(days=366)
_PAUSE = duration("milliseconds", timedelta(0), timedelta(minutes=10))
_MANAGERS = choice(*PROCESS_MANAGERS, aliases=ALIASES)

Percent = Annotated[float, decimal(0, 100, "%")]
Load = Annotated[float, decimal(0.01, 10_000)]
Rate = Annotated[int, size(0, 10**15, "bytes per second")]
Limit = Annotated[int, whole(1, 1000, "nodes")]
Delay = Annotated[timedelta, duration("minutes", timedelta(0), _YEAR)]
Pause = Annotated[timedelta, _PAUSE]
PathText = Annotated[str, PATH]
Block = Annotated[int, PORT_BLOCK]
Switch = Annotated[bool, SWITCH]


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of one run. `wnm.core.layers.resolve` fills in defaults that depend on the host."""

    rewards_address: Annotated[
        tuple[WeightedWallet, ...],
        WALLETS,
        "who is paid; each new node draws one wallet by weight",
        Notes(shown="required"),
    ]
    donate_address: Annotated[str, ADDRESS, "what donate means", Notes(shown="the community faucet")] = FAUCET

    node_cap: Annotated[int, whole(0, 9999, "nodes"), "most nodes on this machine"] = 50
    cpu_less_than: Annotated[
        Percent, "use of all cores since the last cycle, below which nodes are added"
    ] = 70.0
    cpu_remove: Annotated[Percent, "use of all cores above which a node is stopped"] = 80.0
    mem_less_than: Annotated[Percent, "memory not available, below which nodes are added"] = 70.0
    mem_remove: Annotated[Percent, "memory not available, above which a node is stopped"] = 80.0
    hd_less_than: Annotated[Percent, "use of each disk with node data, below which nodes are added"] = 70.0
    hd_remove: Annotated[Percent, "use of a disk with node data, above which a node is removed"] = 80.0
    desired_load_average: Annotated[
        Load,
        "load averages (1, 5 and 15 minutes) all have to be below it to add nodes",
        Notes(shown="0.6 × usable cores", by_host=lambda host: round(0.6 * host.usable_cores, 2)),
    ]
    max_load_average_allowed: Annotated[
        Load,
        "a load average above it stops a node",
        Notes(shown="1.0 × usable cores", by_host=lambda host: float(host.usable_cores)),
    ]
    netio_read_less_than: Annotated[Rate, "network input below which nodes are added; 0 = off"] = 0
    netio_read_remove: Annotated[Rate, "network input above which a node is stopped; 0 = off"] = 0
    netio_write_less_than: Annotated[Rate, "network output below which nodes are added; 0 = off"] = 0
    netio_write_remove: Annotated[Rate, "network output above which a node is stopped; 0 = off"] = 0
    hdio_read_less_than: Annotated[Rate, "disk reading below which nodes are added; 0 = off"] = 0
    hdio_read_remove: Annotated[Rate, "disk reading above which a node is stopped; 0 = off"] = 0
    hdio_write_less_than: Annotated[Rate, "disk writing below which nodes are added; 0 = off"] = 0
    hdio_write_remove: Annotated[Rate, "disk writing above which a node is stopped; 0 = off"] = 0
    crisis_bytes: Annotated[
        int,
        size(0, 10**15),
        "free bytes below which nothing is added and a node is removed, whatever the percentage",
    ] = 2_000_000_000

    max_concurrent_upgrades: Annotated[Limit, "most nodes being upgraded at one time"] = 1
    max_concurrent_starts: Annotated[Limit, "most nodes starting at one time"] = 1
    max_concurrent_removals: Annotated[Limit, "most nodes being removed at one time"] = 1
    max_concurrent_operations: Annotated[Limit, "most nodes in any of these transitions at one time"] = 1
    delay_start: Annotated[Delay, "how long a started node may settle"] = timedelta(minutes=5)
    delay_restart: Annotated[Delay, "how long a restarted node may settle"] = timedelta(minutes=10)
    delay_upgrade: Annotated[Delay, "how long an upgraded node may settle"] = timedelta(minutes=5)
    delay_remove: Annotated[Delay, "time between a node's stop and its removal"] = timedelta(minutes=10)
    action_delay: Annotated[Pause, "pause between two operations"] = timedelta(0)
    survey_delay: Annotated[Pause, "pause between asking two nodes"] = timedelta(0)
    this_action_delay: Annotated[
        timedelta | None,
        optional(_PAUSE),
        "action_delay for this run only",
        Notes(persisted=False, aliases=("interval",)),
    ] = None
    this_survey_delay: Annotated[
        timedelta | None,
        optional(_PAUSE),
        "survey_delay for this run only",
        Notes(persisted=False),
    ] = None

    process_manager: Annotated[
        str,
        _MANAGERS,
        "what runs the nodes",
        Notes(
            shown="systemd for root on Linux, setsid for others, launchd on macOS",
            fixed=True,
            by_host=default_manager,
        ),
    ]
    firewall: Annotated[
        str,
        choice("ufw", "null"),
        "what opens the ports of nodes",
        Notes(
            shown="ufw for root where it is installed and active, else null",
            by_host=lambda host: "ufw" if host.is_root and host.ufw_active else "null",
        ),
    ]
    port_start: Annotated[Block, "a node's port is this × 1000 + its id", Notes(fixed=True)] = 55
    metrics_port_start: Annotated[Block, "its metrics port is this × 1000 + its id", Notes(fixed=True)] = 13
    host: Annotated[str, HOST_NAME, "where the metrics of nodes are asked", Notes(generic=True)] = "127.0.0.1"
    no_upnp: Annotated[Switch, "nodes do not ask the router to open their ports"] = True

    node_kind: Annotated[
        str,
        choice("antnode", "ant-node"),
        "which node program this is",
        Notes(
            shown="what antnode_path --version says",
            fixed=True,
            by_host=lambda host: host.program_kind or "antnode",
        ),
    ]
    antnode_path: Annotated[
        PathText,
        "the node program that new and upgraded nodes copy",
        Notes(
            shown="~/.local/bin/antnode, else the first antnode on PATH",
            by_host=lambda host: host.program or join(host.home, ".local/bin/antnode"),
        ),
    ]
    node_version: Annotated[
        str | None,
        optional(VERSION),
        "no node is upgraded or started anew above this version",
        Notes(generic=True),
    ] = None
    upgrade_failures_allowed: Annotated[
        int, whole(1, 1000, "nodes"), "how many nodes may fail the gate of a version before it is halted here"
    ] = 1
    upgrade_window: Annotated[
        Window | None,
        optional(WINDOW),
        "when nodes may be upgraded, in local time",
        Notes(shown="at any time"),
    ] = None
    upgrade_spread: Annotated[
        timedelta,
        duration("hours", timedelta(0), timedelta(days=14)),
        "a new version is taken up to this much later, each machine at a time of its own",
    ] = timedelta(0)
    node_user: Annotated[
        str,
        USER_NAME,
        "the account that nodes run as under systemd, made when it is missing; the other process managers "
        "cannot change the account",
        Notes(fixed=True),
    ] = "ant"
    self_upgrade: Annotated[
        str,
        choice("prevent", "allow"),
        "whether nodes may replace their own program; prevent needs systemd, which runs them as another account",
    ] = "prevent"
    environment: Annotated[
        tuple[tuple[str, str], ...],
        VARIABLES,
        "extra environment of new nodes",
        Notes(shown="empty", generic=True),
    ] = ()
    start_args: Annotated[
        tuple[str, ...], ARGUMENTS, "extra arguments of new nodes", Notes(shown="empty")
    ] = ()
    node_storage: Annotated[
        tuple[str, ...],
        FOLDERS,
        "folders that hold the root directories of nodes: one for each disk",
        Notes(
            shown="/var/antctl/services for root and systemd, else node in the data folder",
            by_host=lambda host: (node_folder(host),),
        ),
    ]
    log_storage: Annotated[
        PathText,
        "the folder that holds the log folder of each node",
        Notes(
            shown="/var/log/antnode for root and systemd, ~/Library/Logs/autonomi on macOS, "
            "else logs in the data folder",
            by_host=log_folder,
        ),
    ]
    keep_keys: Annotated[Switch, "back up a node's secret key before its folder is deleted"] = True
    key_storage: Annotated[
        PathText,
        "the folder that secret keys are backed up to",
        Notes(shown="/var/antctl/keys for systemd, else keys in the data folder", by_host=key_folder),
    ]

    poll_timeout: Annotated[
        timedelta,
        duration("seconds", timedelta(milliseconds=50), timedelta(minutes=1)),
        "how long one node's metrics may take",
    ] = timedelta(seconds=2)
    cycle_timeout: Annotated[
        timedelta,
        duration("seconds", timedelta(seconds=1), timedelta(hours=1)),
        "how long a whole cycle may take; nothing new starts in its last fifth",
    ] = timedelta(seconds=50)
    stop_grace: Annotated[
        timedelta,
        duration("seconds", timedelta(0), timedelta(minutes=10)),
        "how long a node may take to end before it is killed",
    ] = timedelta(seconds=30)
    unresponsive_restart: Annotated[
        timedelta,
        duration("minutes", timedelta(0), timedelta(days=7)),
        "how long a running node may leave its metrics unanswered before it is restarted; 0 = for ever",
    ] = timedelta(minutes=30)
    history_days: Annotated[int, whole(1, 3650, "days"), "how long samples and cycles are kept"] = 30

    shun_policy: Annotated[
        str,
        choice("report", "restart", "recycle"),
        "what is done about a node that its peers shun: say it, restart it, or remove it (its key is backed up) "
        "to make room for a new one",
    ] = "report"
    shun_limit: Annotated[
        int, whole(1, 1_000_000, "shuns"), "how often a node may be shunned in a day before that counts"
    ] = 15
    shun_budget: Annotated[
        int, whole(1, 100, "nodes"), "most nodes that are restarted or removed for it in a day"
    ] = 1

    prometheus_textfile: Annotated[
        str | None,
        optional(PATH),
        "a file for the textfile collector of node_exporter (NAME.prom), written after each cycle",
    ] = None
    prometheus_targets: Annotated[
        str | None,
        optional(PATH),
        "a file for file_sd_configs of Prometheus (NAME.json): where the nodes' own metrics are",
    ] = None
    status_page: Annotated[
        str | None,
        optional(PATH),
        "a page for people (NAME.html), written after each cycle: everything about the machine in one file",
    ] = None

    alert_urls: Annotated[
        tuple[str, ...],
        MESSAGE_ADDRESSES,
        "where alerts are sent: webhooks (https://…) and addresses of Apprise",
    ] = ()
    alert_command: Annotated[
        tuple[str, ...],
        ARGUMENTS,
        "a program that is given each alert as JSON on its standard input, run by the account that runs wnm",
    ] = ()
    dead_man_url: Annotated[
        str | None,
        optional(WEB_ADDRESS),
        "an address that is asked for after each good cycle; whoever watches it notices when that stops",
    ] = None
    alert_disk_days: Annotated[
        float, decimal(0, 365, "days"), "a disk that will be full sooner than this is an alert; 0 = never"
    ] = 7.0

    @property
    def pause_between_actions(self) -> timedelta:
        """The pause between two operations of this run."""
        return self.action_delay if self.this_action_delay is None else self.this_action_delay

    @property
    def pause_between_polls(self) -> timedelta:
        """The pause between asking two nodes in this run."""
        return self.survey_delay if self.this_survey_delay is None else self.this_survey_delay


SPECS: Mapping[str, Spec] = specs_of(Settings)
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

"""The kinds of faults, each a function that does it to an episode; what it draws depends on its number alone."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from tests.chaos import databases, disks
from tests.chaos.deeds import CALLS, deed, drawn_deed, drawn_number
from tests.chaos.episode import Episode
from tests.chaos.oracle import look
from tests.chaos.sandbox import MINUTE, Begun, Plan, Ran

type Inject = Callable[[Episode], None]

CHANGES = "open+write+sync+rename+unlink+make+spawn+kill"
# What can go wrong with which calls.
ERRORS: Mapping[str, str] = {
    "ENOSPC": "open+write+sync+rename+make",
    "EDQUOT": "open+write+sync+rename+make",
    "EIO": "open+write+sync+rename+unlink+make+read",
    "EROFS": "open+rename+unlink+make",
    "EACCES": "open+rename+unlink+make+read",
    "EMFILE": "open+read+spawn",
    "ENOMEM": "spawn+open+make",
    "EAGAIN": "spawn",
}
LONGEST_CYCLE_SECONDS = 0.7
DAY = 86400


# At every call by which wnm changes the machine


def killed_at_a_step(episode: Episode) -> None:
    """SIGKILL before, after or in the middle of a call."""
    effect = episode.chance.choice(["kill", "kill", "after", "torn"])
    strike(episode, effect, CHANGES)


def terminated_at_a_step(episode: Episode) -> None:
    """SIGTERM at a call."""
    strike(episode, "term", CHANGES)


def strike(episode: Episode, effect: str, steps: str) -> Ran:
    """Run a cycle that is struck at one call."""
    name, words = drawn_deed(episode)
    number = drawn_number(episode, name)
    plan = Plan(steps=steps, effect=effect, first=number, last=number)
    return run_struck(episode, name, words, plan)


def run_struck(episode: Episode, name: str, words: tuple[object, ...], plan: Plan) -> Ran:
    """Run it; a plan that lies beyond the last call strikes nothing."""
    episode.tell(f"{name}, {plan}")
    ran = episode.cycle(*words, plan=plan)
    episode.current.struck = ran.struck is not None
    if ran.struck:
        episode.tell(ran.struck.replace(str(episode.sandbox.home), "~"))
    episode.check(ran)
    return ran


def stopped_at_a_step(episode: Episode) -> None:
    """SIGSTOP at a call; another wnm runs meanwhile, then it goes on."""
    name, words = drawn_deed(episode)
    number = drawn_number(episode, name)
    plan = Plan(steps=CHANGES, effect="stop", first=number, last=number)
    episode.tell(f"{name}, {plan}")
    episode.sandbox.let_pass(MINUTE)
    first = episode.sandbox.begin(*episode.words(*words), plan=plan)
    while first.runs and not _is_stopped(first.pid):
        time.sleep(0.01)
    _another_meanwhile(episode, first)


def stopped_at_random(episode: Episode) -> None:
    """SIGSTOP at any time, likewise."""
    name, words = drawn_deed(episode)
    moment = episode.chance.uniform(0, LONGEST_CYCLE_SECONDS)
    episode.tell(f"{name}, after {moment:.2f} s")
    episode.sandbox.let_pass(MINUTE)
    first = episode.sandbox.begin(*episode.words(*words))
    time.sleep(moment)
    first.send(signal.SIGSTOP)
    _another_meanwhile(episode, first)


def _another_meanwhile(episode: Episode, first: Begun) -> None:
    stopped = first.runs
    episode.current.struck = stopped
    second = episode.sandbox.run(*episode.words())
    episode.judge(second)
    first.send(signal.SIGCONT)
    ran = episode.sandbox.finish(first)
    # The first may have been stopped for longer than its time.
    episode.judge(ran, struck=True)


def _is_stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return True


def error_at_a_step(episode: Episode) -> None:
    """One call fails."""
    error = episode.chance.choice(sorted(ERRORS))
    strike(episode, error, ERRORS[error])


def errors_from_a_step_on(episode: Episode) -> None:
    """From one call on all of them fail, everywhere or on one disk."""
    error = episode.chance.choice(["ENOSPC", "ENOSPC", "EDQUOT", "EIO", "EROFS", "EMFILE"])
    name, words = drawn_deed(episode)
    place = episode.chance.choice(["", "", "nodes", "data", "logs", "keys"])
    most = CALLS[name] if place == "" else 25
    number = 1 + int(episode.chance.random() * most)
    plan = Plan(steps=ERRORS[error], effect=error, first=number, last=10**6, place=place)
    ran = run_struck(episode, name, words, plan)
    if ran.struck and ran.code == 0 and name in ("grow", "heal one", "heal all", "restart"):
        world = look(episode.sandbox.home)
        if len(world.processes) != episode.cap:
            why = f"{len(world.processes)} processes run of {episode.cap} wanted, while {error} stood in the way"
            episode.must_not_be_fine(ran, why)


# At any time


def killed_at_random(episode: Episode) -> None:
    """SIGKILL at any time."""
    _signal_at_random(episode, signal.SIGKILL)


def terminated_at_random(episode: Episode) -> None:
    """SIGTERM at any time."""
    _signal_at_random(episode, signal.SIGTERM)


def _signal_at_random(episode: Episode, number: signal.Signals) -> None:
    name, words = drawn_deed(episode)
    moment = episode.chance.uniform(0, LONGEST_CYCLE_SECONDS)
    episode.tell(f"{name}, after {moment:.2f} s")
    episode.sandbox.let_pass(MINUTE)
    begun = episode.sandbox.begin(*episode.words(*words))
    time.sleep(moment)
    episode.current.struck = begun.runs
    begun.send(number)
    episode.judge(episode.sandbox.finish(begun), struck=True)


def overlapping(episode: Episode) -> None:
    """Two to five at once, as when cron, a person and a reboot meet."""
    name, words = drawn_deed(episode, among=("grow", "shrink", "upgrade", "heal one", "heal all"))
    count = episode.chance.randint(2, 5)
    episode.tell(f"{name}, {count} at once")
    episode.sandbox.let_pass(MINUTE)
    begun = [episode.sandbox.begin(*episode.words(*words)) for _ in range(count)]
    ended = [episode.sandbox.finish(process) for process in begun]
    for ran in ended:
        episode.judge(ran)
    if all(ran.code == 75 for ran in ended):
        episode.find("exit-code", f"all of {count} say that another one runs")


# Nodes


def one_node_killed(episode: Episode) -> None:
    """SIGKILL of a node between two cycles."""
    deed(episode, "heal one")
    episode.check(episode.cycle())


def all_nodes_killed(episode: Episode) -> None:
    """The same of all at once: all come back."""
    deed(episode, "heal all")
    episode.check(episode.cycle())


def node_killed_in_a_cycle(episode: Episode) -> None:
    """A node ends while wnm works."""
    name, words = drawn_deed(episode)
    moment = episode.chance.uniform(0, LONGEST_CYCLE_SECONDS)
    episode.tell(f"{name}, after {moment:.2f} s")
    episode.sandbox.let_pass(MINUTE)
    process = episode.sandbox.begin(*episode.words(*words))
    time.sleep(moment)
    deed(episode, "heal one")
    episode.judge(episode.sandbox.finish(process))


def nodes_hang(episode: Episode) -> None:
    """One or all of them stand still for some minutes."""
    processes = episode.processes()
    if episode.chance.random() < 0.5:
        processes = processes[:1]
    minutes = episode.chance.choice([1, 5])
    episode.tell(f"{len(processes)} for {2 * minutes} minutes")
    for process in processes:
        episode.sandbox.kill(process.pid, signal.SIGSTOP)
    for _ in range(2):
        episode.cycle(minutes=minutes)
    after = episode.pids()
    for process in processes:
        if after.get(process.root_dir) != process.pid:
            episode.find("restarted-for-nothing", f"{process.root_dir} was silent for {2 * minutes} minutes")
        episode.sandbox.kill(process.pid, signal.SIGCONT)


def all_nodes_silent(episode: Episode) -> None:
    """All stand still for an hour: that has a cause outside of them, and none is restarted."""
    processes = episode.processes()
    for process in processes:
        episode.sandbox.kill(process.pid, signal.SIGSTOP)
    episode.cycle()
    ran = episode.cycle(minutes=35)
    ran = episode.cycle(minutes=25) if ran.code == 0 else ran
    after = episode.pids()
    restarted = [each.root_dir for each in processes if after.get(each.root_dir) != each.pid]
    if restarted:
        episode.find("restarted-for-nothing", f"{len(restarted)} nodes that were silent alike were restarted")
    episode.must_not_be_fine(ran, "no node has answered for an hour")
    for process in processes:
        episode.sandbox.kill(process.pid, signal.SIGCONT)


def key_removed(episode: Episode) -> None:
    """A node's key is deleted and the node ends: what comes back is another node, and somebody must be told."""
    name = episode.some_node()
    folder = episode.sandbox.nodes / name
    key = folder / "secret-key"
    episode.memory.excused.add(episode.memory.keys[name])
    key.unlink(missing_ok=True)
    for process in episode.processes():
        if process.root_dir == str(folder):
            episode.sandbox.kill(process.pid)
    episode.tell(name)
    ran = [episode.cycle(), episode.cycle(), episode.cycle()]
    said = " ".join(each.err for each in ran).lower()
    if all(each.code == 0 for each in ran) and not any(word in said for word in ("key", "peer", "identity")):
        episode.find("another-peer-unsaid", f"{name} lost its key, and the cycles say: {ran[-1]}")


def folder_removed(episode: Episode) -> None:
    """A node's folder is deleted: it is dead, its process ends, and another takes its place."""
    name = episode.some_node()
    episode.tell(name)
    episode.memory.excused.add(episode.memory.keys[name])
    episode.memory.may_go += 1
    shutil.rmtree(episode.sandbox.nodes / name, ignore_errors=True)
    episode.cycle()


def pid_reused(episode: Episode) -> None:
    """A node ends, and its number goes to somebody else's process: that one is left alone."""
    processes = episode.processes()
    process = processes[int(episode.chance.random() * len(processes))]
    episode.sandbox.kill(process.pid)
    while any(each.pid == process.pid for each in episode.processes()):
        time.sleep(0.01)
    time.sleep(0.05)
    Path("/proc/sys/kernel/ns_last_pid").write_text(str(process.pid - 1))
    stranger = subprocess.Popen(["sleep", "600"])
    episode.current.struck = stranger.pid == process.pid
    episode.tell(f"{process.pid} is {stranger.pid}")
    episode.check(episode.cycle())
    if stranger.poll() is not None:
        episode.find("stranger-killed", f"process {stranger.pid} is not a node, and was ended")
    stranger.kill()
    stranger.wait()


def rebooted(episode: Episode) -> None:
    """The machine starts again: all nodes are gone, and come back."""
    deed(episode, "heal all")
    episode.sandbox.set_boot_id(str(episode.current.number + 1))
    episode.check(episode.cycle())


def another_boot_id(episode: Episode) -> None:
    """Only the number of the start is another one: no node is touched."""
    before = episode.pids()
    episode.sandbox.set_boot_id(str(episode.current.number + 1))
    episode.cycle()
    if episode.pids() != before:
        episode.find("restarted-for-nothing", "the boot id changed, nothing else")


# The clock


def clock_jumps(episode: Episode) -> None:
    """The wall clock is set ahead or back, for one or two cycles: no node is touched."""
    jump = episode.chance.choice([400 * DAY, 2 * DAY, 3600, 300, -300, -3600, -DAY, -400 * DAY])
    count = episode.chance.randint(1, 2)
    episode.tell(f"by {jump / 3600:g} h for {count} cycles")
    before = episode.pids()
    for _ in range(count):
        episode.check(episode.cycle(clock=jump))
    episode.check(episode.cycle())
    if episode.pids() != before:
        episode.find("restarted-for-nothing", f"the clock was set by {jump / 3600:g} h for {count} cycles")


def clock_jumps_under_a_deed(episode: Episode) -> None:
    """The same in a cycle that has something to do."""
    name, words = drawn_deed(episode)
    jump = episode.chance.choice([400 * DAY, 2 * DAY, 3600, -3600, -DAY])
    episode.tell(f"{name}, by {jump / 3600:g} h")
    episode.check(episode.cycle(*words, clock=jump))


# The firewall


def firewall_fails(episode: Episode) -> None:
    """ufw fails, hangs, lies, talks nonsense, or does it and says that it did not."""
    sandbox = episode.sandbox
    modes = ["fail", "fail", "lie", "lie", "garbage", "late", "late"]
    mode = "hang" if episode.chance.random() < 0.06 else episode.chance.choice(modes)
    name, words = drawn_deed(episode, among=("grow", "shrink", "heal one", "upgrade", "remove", "restart"))
    episode.tell(f"{mode}, {name}")
    sandbox.order_ufw(mode)
    ran = episode.cycle(*words)
    sandbox.order_ufw("ok")
    if mode != "lie":
        episode.check(ran)


# The first and the last


def first_fault(episode: Episode) -> None:
    """In every third episode `--init` is struck, and done again; then the nodes come up."""
    episode.open("init struck")
    words = episode.sandbox.init_words(episode.cap)
    if episode.chance.random() > 1 / 3:
        episode.current.struck = False
        episode.judge(episode.sandbox.run(*words))
        episode.settle()
        return
    effect = episode.chance.choice(["kill", "after", "torn", "ENOSPC", "EIO", "term"])
    number = 1 + int(episode.chance.random() * CALLS["init"])
    plan = Plan(steps=ERRORS.get(effect, CHANGES), effect=effect, first=number, last=number)
    episode.tell(str(plan))
    ran = episode.sandbox.run(*words, plan=plan)
    episode.judge(ran, struck=True)
    episode.current.struck = ran.struck is not None
    if ran.code != 0:
        again = episode.sandbox.run(*words)
        if again.code not in (0, 2) or (again.code == 2 and "already" not in again.err):
            episode.find("init-stuck", f"after {plan}: {again}")
    if not episode.failed:
        episode.settle()


def last_fault(episode: Episode) -> None:
    """`teardown` is struck, and done again: nothing is left but the keys."""
    episode.open("teardown struck")
    effect = episode.chance.choice(["kill", "kill", "after", "torn", "term", "ENOSPC", "EIO"])
    number = 1 + int(episode.chance.random() * CALLS["teardown"])
    plan = Plan(steps=ERRORS.get(effect, CHANGES), effect=effect, first=number, last=number)
    episode.tell(str(plan))
    episode.memory.may_go = len(episode.memory.keys)
    ran = episode.cycle("--force_action=teardown", "--confirm", plan=plan)
    episode.current.struck = ran.struck is not None
    for _ in range(5):
        if not episode.sandbox.database.exists():
            break
        ran = episode.cycle("--force_action=teardown", "--confirm")
    world = episode.check()
    left = [process.root_dir for process in world.processes] + list(world.folders) + list(world.leftovers)
    left += [comment for _, comment in world.rules if "antnode" in comment]
    if episode.sandbox.database.exists():
        left.append("the database")
    if left:
        episode.find("teardown-left", f"{', '.join(left)}; {ran}")


WEIGHTS: Mapping[Inject, float] = {
    killed_at_a_step: 26,
    terminated_at_a_step: 5,
    stopped_at_a_step: 4,
    stopped_at_random: 2,
    error_at_a_step: 16,
    errors_from_a_step_on: 12,
    killed_at_random: 6,
    terminated_at_random: 2,
    overlapping: 5,
    one_node_killed: 2,
    all_nodes_killed: 2,
    node_killed_in_a_cycle: 2,
    nodes_hang: 0.7,
    all_nodes_silent: 0.3,
    key_removed: 0.7,
    folder_removed: 1,
    pid_reused: 1,
    rebooted: 2,
    another_boot_id: 1,
    clock_jumps: 2,
    clock_jumps_under_a_deed: 2,
    databases.database_truncated: 1,
    databases.database_replaced: 1.5,
    databases.database_locked: 0.4,
    databases.database_of_before: 1.2,
    disks.stranger_mounted: 1.5,
    disks.read_only: 1,
    disks.not_executable: 1,
    disks.nodes_full: 1.2,
    disks.database_full: 1.2,
    disks.others_full: 1,
    disks.inodes_gone: 1,
}
"""How often each is drawn. Those that take wnm's time most are rarer."""
# Those after which another may follow before all is settled again.
BURSTS = (killed_at_a_step, terminated_at_a_step, error_at_a_step, killed_at_random, terminated_at_random)


def choose(chance: Random, episode: Episode) -> list[tuple[str, Inject]]:
    """The next fault, or up to three of the same family in a row before wnm may settle."""
    kinds = list(WEIGHTS)
    if episode.sandbox.firewall == "ufw":
        kinds += [firewall_fails]
    kinds = [kind for kind in kinds if episode.only in name_of(kind)] or kinds
    weights = [WEIGHTS.get(kind, 10) for kind in kinds]
    first = chance.choices(kinds, weights)[0]
    chosen = [first]
    while first in BURSTS and len(chosen) < 3 and chance.random() < 0.3:
        chosen.append(chance.choice(BURSTS))
    return [(name_of(each), each) for each in chosen]


def name_of(inject: Inject) -> str:
    """A kind of fault as people read it."""
    return inject.__name__.replace("_", " ")

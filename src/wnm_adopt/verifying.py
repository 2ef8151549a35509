"""After a takeover: looks at every adopted node as a cycle would, and says what the first cycle will do."""

from wnm.app.context import Context
from wnm.core.action import Resurvey
from wnm.core.decide.ladder import decide
from wnm.core.node import Reachability, Status
from wnm.core.observation import NodePage, NodeSeen, ProcessReading
from wnm.app.run_cycle import look_and_decide
from wnm.storage.database import open_for_reading
from wnm.storage.ledger import Ledger
from wnm.system.clock import SystemClock
from wnm.views.deeds import names_of, words_of
from wnm.views.words import printable
from wnm_adopt.to_the_end import say


def verify(run: Context) -> int:
    """Print a line for each node; 0, or 1 if one that counts as running was not seen to run."""
    with open_for_reading(run.database_path) as database:
        ledger = Ledger(database)
        settings = run.resolve(ledger.settings()).settings
        backends = run.backends.build(settings, run.clock)
        plan = look_and_decide(ledger.recall(), settings, backends, run.clock, decide)
    say(f"\nseen after the takeover: {len(plan.seen.nodes)} node(s)")
    ill = 0
    for each in plan.seen.nodes:
        words, well = _judged(each)
        ill += not well
        say(f"  {each.node.name}: {printable(words)}")
    names = names_of((each.node for each in plan.seen.nodes), plan.decision)
    deeds = [words_of(action, names) for action in plan.decision.actions if not isinstance(action, Resurvey)]
    say(f"the first cycle would do: {printable(', '.join(deeds)) if deeds else 'nothing'}")
    return int(ill > 0)


def _judged(each: NodeSeen) -> tuple[str, bool]:
    node, reading = each.node, each.reading
    parts = [str(node.status)]
    process = reading.process
    if isinstance(process, ProcessReading):
        parts.append(f"process {process.pid} {process.state}" if process.pid else f"process {process.state}")
    else:
        parts.append(f"process not seen: {process.reason}")
    if reading.reachable is not None:
        parts.append(f"metrics port {node.metrics_port} {reading.reachable}")
    if isinstance(reading.page, NodePage) and reading.page.version:
        parts.append(f"version {reading.page.version}")
    if reading.root_dir_present is not True:
        parts.append(f"its folder {node.root_dir} is not there: mount its disk, nothing is removed")
    well = (
        node.status is not Status.RUNNING
        or not reading.has_pages
        or reading.reachable is Reachability.ANSWERS
    )
    return ", ".join(parts), well

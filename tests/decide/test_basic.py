"""Quick."""
from tests.builders import *
from wnm.core.decide.ladder import decide
def test_it() -> None:
    d = decide(seen([node(1), node(2)], ), settings(node_cap=3))
    assert (d.rule, briefly(d)) == ("growth", "add 3")
    assert concluded(d) == {}

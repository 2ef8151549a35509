"""The story that `wnm simulate` tells."""

from tests.builders import HOME, limits, settings

from wnm_sim.simulation import render, run_simulation


def test_a_story_begins_with_growth_to_the_cap_and_is_the_same_again() -> None:
    chosen = settings(node_cap=4, **limits(2))
    story = run_simulation(chosen, 600, 5)
    assert story == run_simulation(chosen, 600, 5)
    assert story.minutes[0][0] == 0
    assert "antnode0001" in story.minutes[0][2]
    assert dict(story.counts)["AddNode"] >= 4
    assert any(event for _, event, _ in story.minutes)
    assert not any(event for number, event, _ in story.minutes if number < 60)


def test_another_seed_tells_another_story() -> None:
    chosen = settings(node_cap=4)
    assert run_simulation(chosen, 600, 1).minutes != run_simulation(chosen, 600, 2).minutes


def test_its_text_has_a_line_for_every_eventful_minute_and_a_table_at_the_end() -> None:
    story = run_simulation(settings(node_cap=2), 300, 3)
    text = render(story)
    assert text.startswith("300 cycles, a minute each, with seed 3\n\n  0:00  growth: ")
    assert sum(line[:6].strip().replace(":", "").isdigit() for line in text.splitlines()) == sum(
        bool(event) + bool(reaction) for _, event, reaction in story.minutes
    )
    for node in story.nodes:
        assert f"  {node.name} " in text
    assert HOME not in text.split("at the end:")[1]


def test_a_story_of_nothing() -> None:
    text = render(run_simulation(settings(node_cap=0), 10, 3))
    assert "no action" in text
    assert "no node" in text

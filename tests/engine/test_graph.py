from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.graph import Graph, Task

READ = [Task("ingest", f'{{"part":{number}}}', label="a.ingest", index=number) for number in range(3)]
JOIN = Task("merge", "{}", tuple(task.key for task in READ), label="merge")
MODEL = Task("estimate", "{}", (JOIN.key,), label="model")
GRAPH = Graph([MODEL, *READ, JOIN])


def keyed(task: Task, key: str) -> Task:
    """Return a task whose key is not its digest: honest tasks can make no cycle."""
    task = replace(task)
    object.__setattr__(task, "key", key)
    return task


def test_every_task_stands_after_its_inputs():
    seen = set()
    for key, task in GRAPH.items():
        assert set(task.inputs) <= seen
        seen.add(key)
    assert len(seen) == 5


def test_equal_work_has_equal_keys_whatever_it_is_called_and_wherever_it_is_kept():
    one = Task("merge", "{}", ("x",), "code", label="a", index=1, place="here")
    other = Task("merge", "{}", ("x",), "code", label="b", index=2, place="there")
    assert (one, one.key, one.recipe, one.memo(["y"])) == (other, other.key, other.recipe, other.memo(["y"]))


@pytest.mark.parametrize(
    "other",
    [
        Task("other", "{}", ("x", "y"), "code"),
        Task("merge", '{"a":1}', ("x", "y"), "code"),
        Task("merge", "{}", ("y", "x"), "code"),
        Task("merge", "{}", ("x",), "code"),
        Task("merge", "{}", ("x", "y"), "other"),
    ],
    ids=["function", "parameters", "order of inputs", "inputs", "code"],
)
def test_other_work_has_another_key(other):
    assert Task("merge", "{}", ("x", "y"), "code").key != other.key


def test_a_memo_depends_on_contents_and_not_on_the_keys_of_inputs():
    one, other = Task("merge", "{}", ("x",)), Task("merge", "{}", ("y",))
    assert one.memo(["c"]) == other.memo(["c"]) != one.memo(["d"])


def test_the_union_holds_equal_work_once():
    other = Task("estimate", '{"alpha":1}', (JOIN.key,), label="model")
    union = GRAPH | Graph([*READ, JOIN, other])
    assert set(union) == {*GRAPH, other.key}


@given(st.sets(st.integers(0, 4)), st.sets(st.integers(0, 4)))
def test_the_union_of_graphs_does_not_depend_on_their_order(some, others):
    tasks = list(GRAPH.values())
    one, other = (GRAPH.cull([tasks[number].key for number in numbers]) for numbers in (some, others))
    assert (one | other) == (other | one) == GRAPH.cull([*one, *other])


def test_culling_keeps_what_is_needed_and_nothing_else():
    assert set(GRAPH.cull([JOIN.key])) == {JOIN.key, *(task.key for task in READ)}
    assert set(GRAPH.cull([READ[1].key])) == {READ[1].key}
    assert len(GRAPH.cull([])) == 0


def test_culling_for_what_is_not_there_is_a_key_error():
    with pytest.raises(KeyError):
        GRAPH.cull(["nothing"])


def test_what_remains_without_some_keys_is_in_order():
    assert GRAPH.without([task.key for task in READ]) == [JOIN, MODEL]


def test_stages_are_labels_in_the_order_of_the_data():
    assert {label: len(tasks) for label, tasks in GRAPH.stages().items()} == {"a.ingest": 3, "merge": 1, "model": 1}
    assert list(GRAPH.stages()) == ["a.ingest", "merge", "model"]


def test_edges_are_pairs_of_labels_each_once():
    assert GRAPH.edges() == [("a.ingest", "merge"), ("merge", "model")]


def test_a_stage_that_hands_on_to_itself_has_no_edge():
    again = Task("merge", '{"finish":true}', (JOIN.key,), label="merge")
    assert Graph([*READ, JOIN, again]).edges() == [("a.ingest", "merge")]


def test_a_graph_says_its_size():
    assert repr(GRAPH) == "<Graph of 5 tasks in 3 stages>"


def test_a_cycle_is_named_by_the_labels_in_it():
    one = keyed(Task("a", "{}", ("two",), label="one"), "one")
    two = keyed(Task("b", "{}", ("one",), label="two"), "two")
    with pytest.raises(ConfigError, match=r"the graph has a cycle: (one -> two|two -> one)"):
        Graph([one, two])


def test_an_input_that_is_not_in_the_graph_is_an_error():
    with pytest.raises(ConfigError, match=f"is not in the graph: {JOIN.key}"):
        Graph([MODEL])


def test_a_task_can_not_be_changed():
    with pytest.raises(FrozenInstanceError):
        JOIN.params = "{}"


def test_a_graph_can_not_be_changed():
    with pytest.raises(TypeError):
        GRAPH["x"] = JOIN
    with pytest.raises(TypeError):
        GRAPH._tasks["x"] = JOIN
    with pytest.raises(AttributeError):
        GRAPH.more = 1


def test_a_task_crosses_to_another_process_with_its_label():
    arrived = pickle.loads(pickle.dumps(JOIN))
    assert (arrived, arrived.key, arrived.label) == (JOIN, JOIN.key, "merge")


def test_a_graph_crosses_to_another_process_in_its_order():
    arrived = pickle.loads(pickle.dumps(GRAPH))
    assert list(arrived.items()) == list(GRAPH.items())

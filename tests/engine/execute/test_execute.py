from __future__ import annotations

import json
import pickle
import threading
from collections import Counter
from importlib._bootstrap import _DeadlockError
from pathlib import Path

import polars as pl
import pytest

from engine.config.spec import Executor
from engine.errors import DataError, HostError, Interrupted, LevadaError
from engine.execute import Execution, Watcher, execute, resolve
from engine.execute.perform import Outcome, Setting, find_stage, perform
from engine.graph import Graph, Task
from engine.stores.artifacts import Artifact, ArtifactStore
from engine.stores.sqlite import SqliteCatalog


class Bench:
    """A store, a catalog, and stage functions that are written down here; what was begun is remembered."""

    def __init__(self, root: Path) -> None:
        self.store = ArtifactStore(root)
        self.catalog = SqliteCatalog(root / "catalog.sqlite")
        self.begun: list[str] = []
        self._lock = threading.Lock()

    def find(self, function: str):
        stage = getattr(self, function)

        def run(work):
            with self._lock:
                self.begun.append(work.params["name"])
            return stage(work)

        return run

    def value(self, work):
        """The sum of ``value`` and of all inputs."""
        return self.store.value(work.params.get("value", 0) + sum(artifact.data() for artifact in work.inputs))

    def parity(self, work):
        return self.store.value(work.inputs[0].data() % 2)

    def frame(self, work):
        return work.keep(pl.DataFrame({"name": [work.params["name"]]}), work.params["name"])

    def bad(self, work):
        raise DataError("bad data", where=work.params["name"])

    def shaky(self, work):
        """Fails for reasons of the machine until it was begun often enough."""
        if self.begun.count(work.params["name"]) <= work.params["failures"]:
            raise HostError("disk full")
        return self.store.value(1)

    def buggy(self, work):
        return {}["nothing"]

    def panicking(self, work):
        raise pl.exceptions.PanicException("not implemented")

    def greedy(self, work):
        raise MemoryError

    def crossing(self, work):
        """Fails as Python does when threads import modules that import each other."""
        raise _DeadlockError("deadlock detected")

    def unmapped(self, work):
        """Fails as Polars does when a file can not be mapped into memory."""
        raise OSError("Cannot allocate memory (os error 12)")

    def interrupted(self, work):
        raise KeyboardInterrupt

    def spiteful(self, work):
        """Closes the catalog, as a disk that is gone would."""
        self.catalog.close()
        return self.store.value(1)

    def run(self, *tasks: Task, retries: int = 0, workers: int = 2, **options) -> Execution:
        """Execute tasks with these stage functions; ``begun`` starts anew."""
        self.begun.clear()
        executor = Executor(workers=workers, retries=retries)
        return execute(Graph(tasks), self.store, self.catalog, executor, find=self.find, **options)


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.catalog.close()


def task(function: str, name: str, *inputs: Task, label: str = "", code: str = "", **params) -> Task:
    return Task(function, json.dumps({"name": name, **params}), tuple(one.key for one in inputs), code, label or name, 0)


def statuses(execution: Execution) -> dict[str, str]:
    return {execution.graph[key].label: outcome.status for key, outcome in execution.outcomes.items()}


ONE, TWO = task("value", "one", value=1), task("value", "two", value=2)
SUM = task("value", "sum", ONE, TWO)


def test_results_are_handed_on(bench):
    execution = bench.run(ONE, TWO, SUM)
    assert execution.artifact(SUM.key).data() == 3
    assert statuses(execution) == {"one": "ran", "two": "ran", "sum": "ran"}
    assert list(execution.outcomes) == list(execution.graph)
    assert (execution.count("ran"), execution.count("reused"), execution.failures()) == (3, 0, [])


def test_inputs_come_in_the_order_of_the_task(bench):
    parts = [task("frame", f"p{number}", label="p") for number in range(10)]
    joined = task("names", "joined", *reversed(parts))
    bench.names = lambda work: bench.store.value([artifact.data() for artifact in work.inputs])
    assert bench.run(*parts, joined).artifact(joined.key).data() == [f"p{number}" for number in reversed(range(10))]


def test_nothing_runs_twice(bench):
    first = bench.run(ONE, TWO, SUM)
    again = bench.run(ONE, TWO, SUM)
    assert bench.begun == []
    assert again.count("reused") == 3
    assert [again.artifact(key) for key in again.graph] == [first.artifact(key) for key in first.graph]


@pytest.mark.parametrize(
    "other",
    [task("value", "one", value=1, code="edited"), task("value", "one", value=1, more=True)],
    ids=["code", "parameters"],
)
def test_other_code_or_parameters_run_again(bench, other):
    bench.run(ONE)
    assert bench.run(other).count("ran") == 1


def test_what_comes_to_the_same_contents_does_not_run_what_follows_again(bench):
    bench.run(ONE, task("parity", "parity", ONE), task("value", "end", task("parity", "parity", ONE)))
    three = task("value", "three", value=3)
    parity = task("parity", "parity", three)
    execution = bench.run(three, parity, task("value", "end", parity))
    assert statuses(execution) == {"three": "ran", "parity": "ran", "end": "reused"}
    assert bench.begun == ["three", "parity"]


def test_what_was_remembered_of_one_input_is_not_given_for_another(bench):
    bench.run(ONE, task("parity", "parity", ONE))
    parity = task("parity", "parity", TWO)
    assert bench.run(TWO, parity).artifact(parity.key).data() == 0


def test_a_result_whose_file_is_gone_is_made_anew_and_what_follows_reused(bench):
    frame = task("frame", "frame")
    after = task("names", "after", frame)
    bench.names = lambda work: bench.store.value([artifact.data() for artifact in work.inputs])
    first = bench.run(frame, after)
    (bench.store.root / first.artifact(frame.key).file.path).unlink()
    execution = bench.run(frame, after)
    assert statuses(execution) == {"frame": "ran", "after": "reused"}
    assert bench.store.holds(execution.artifact(frame.key))
    assert bench.run(frame, after).count("reused") == 2


def test_a_failure_skips_what_depends_on_it_and_all_else_goes_on(bench):
    bad = task("bad", "bad")
    after, later = task("value", "after", bad, ONE), task("value", "later", task("value", "after", bad, ONE))
    execution = bench.run(ONE, TWO, SUM, bad, after, later)
    assert statuses(execution) == {
        "one": "ran",
        "two": "ran",
        "sum": "ran",
        "bad": "failed",
        "after": "skipped",
        "later": "skipped",
    }
    ((failed, error),) = execution.failures()
    assert (failed, error.what, error.where) == (bad, "bad data", "bad")
    assert execution.artifact(later.key) is None


def test_the_run_after_a_failure_does_only_what_is_missing(bench):
    bad = task("bad", "bad")
    after = task("value", "after", bad, ONE)
    bench.run(ONE, bad, after)
    bench.bad = lambda _work: bench.store.value(5)
    execution = bench.run(ONE, bad, after)
    assert bench.begun == ["bad", "after"]
    assert execution.artifact(after.key).data() == 6


@pytest.mark.parametrize("name", ["a", "m5", "z"])
def test_without_keep_going_nothing_is_begun_after_the_first_failure(bench, name):
    others = [task("value", f"m{number}") for number in range(30)]
    bad = task("bad", name, label=name)
    execution = bench.run(bad, *others, workers=1, keep_going=False)
    assert bench.begun[-1] == name
    assert execution.count("failed") == 1
    assert execution.count("ran") == len(bench.begun) - 1
    assert execution.count("ran") + execution.count("skipped") == 30


def test_what_ended_before_a_stop_is_kept(bench):
    bad = task("bad", "bad", ONE)
    bench.run(ONE, bad, workers=1, keep_going=False)
    assert statuses(bench.run(ONE)) == {"one": "reused"}


def test_faults_of_the_machine_are_tried_again(bench):
    shaky = task("shaky", "shaky", failures=1)
    assert bench.run(shaky, retries=1).count("ran") == 1
    assert bench.begun == ["shaky"] * 2


def test_faults_of_the_machine_that_stay_are_failures(bench):
    shaky = task("shaky", "shaky", failures=9)
    execution = bench.run(shaky, retries=1)
    assert bench.begun == ["shaky"] * 2
    assert [error.exit_code for _, error in execution.failures()] == [4]


@pytest.mark.parametrize(("function", "exit_code"), [("bad", 3), ("buggy", 1), ("panicking", 1)])
def test_faults_of_data_and_code_are_not_tried_again(bench, function, exit_code):
    execution = bench.run(task(function, "once"), retries=3)
    assert bench.begun == ["once"]
    assert [error.exit_code for _, error in execution.failures()] == [exit_code]


def test_an_import_that_another_thread_was_in_the_way_of_is_tried_again(bench):
    execution = bench.run(task("crossing", "twice"), retries=1)
    assert bench.begun == ["twice", "twice"]
    assert [error.exit_code for _, error in execution.failures()] == [4]


@pytest.mark.parametrize("function", ["greedy", "unmapped"])
def test_memory_that_another_task_may_have_is_asked_for_again(bench, function):
    execution = bench.run(task(function, "twice"), retries=1)
    assert bench.begun == ["twice", "twice"]
    ((_, error),) = execution.failures()
    assert (error.exit_code, error.what) == (4, "twice: not enough memory")


def test_an_unforeseen_exception_is_said_with_its_line(bench):
    ((_, error),) = bench.run(task("buggy", "stage")).failures()
    line = next(number for number, text in enumerate(Path(__file__).read_text().splitlines(), 1) if '{}["nothing"]' in text)
    assert type(error) is LevadaError
    assert error.what == "stage raised KeyError: 'nothing'"
    assert error.where == f"{__file__}:{line}"
    assert isinstance(error.__cause__, KeyError)


def test_every_outcome_crosses_to_another_process(bench):
    bad = task("buggy", "bad")
    execution = bench.run(ONE, bad, task("value", "after", bad))
    for outcome in execution.outcomes.values():
        arrived = pickle.loads(pickle.dumps(outcome))
        assert (arrived.status, arrived.artifact, str(arrived.error)) == (outcome.status, outcome.artifact, str(outcome.error))


def test_an_interruption_keeps_what_had_ended(bench):
    stop = task("interrupted", "stop", ONE, TWO)
    with pytest.raises(Interrupted) as caught:
        bench.run(ONE, TWO, stop)
    assert caught.value.exit_code == 130
    assert isinstance(caught.value.__cause__, KeyboardInterrupt)
    assert bench.run(ONE, TWO).count("reused") == 2


def test_a_catalog_that_can_not_be_written_ends_the_run(bench):
    with pytest.raises(HostError, match="could not be written"):
        bench.run(task("spiteful", "spiteful"))


def test_a_catalog_that_is_full_ends_the_run_in_the_middle_of_it(bench):
    pages = bench.catalog._connection.execute("PRAGMA page_count").fetchone()[0]
    bench.catalog._connection.execute(f"PRAGMA max_page_count={pages + 1}")
    with pytest.raises(HostError, match="database or disk is full"):
        bench.run(*(task("value", f"t{number}", text="x" * 500) for number in range(50)))


class Told(Watcher):
    """Writes down what it is told, and from which thread."""

    def __init__(self) -> None:
        self.graphs, self.ends, self.threads = [], [], set()

    def begin(self, graph):
        self.graphs.append(graph)

    def ended(self, task, outcome):
        self.ends.append((task.label, outcome.status))
        self.threads.add(threading.current_thread())


def test_watchers_are_told_of_every_task_once_inputs_first_in_the_coordinators_thread(bench):
    bad = task("bad", "bad")
    tasks = [ONE, TWO, SUM, bad, task("value", "after", bad)]
    bench.run(ONE)
    told = [Told(), Told()]
    bench.run(*tasks, watchers=told)
    order = [label for label, _ in told[0].ends]
    assert told[0].ends == told[1].ends
    assert told[0].graphs == [Graph(tasks)]
    assert Counter(dict(told[0].ends).values()) == {"reused": 1, "ran": 2, "failed": 1, "skipped": 1}
    assert sorted(order) == ["after", "bad", "one", "sum", "two"]
    assert order.index("sum") > max(order.index("one"), order.index("two"))
    assert told[0].threads == {threading.current_thread()}


def test_memories_say_in_which_run_and_of_what_they_were_made(bench):
    bench.run(ONE, TWO, SUM, run="the run")
    (memory,) = bench.catalog.history("sum")
    one, two = (bench.catalog.history(name)[0].artifact.digest for name in ("one", "two"))
    assert (memory.run, memory.contents, memory.params) == ("the run", (one, two), SUM.params)
    assert [used.label for used in bench.catalog.uses(one)] == ["sum"]


def test_only_what_ran_well_is_remembered(bench):
    bad = task("bad", "bad")
    bench.run(bad, task("value", "after", bad))
    assert (bench.catalog.history("bad"), bench.catalog.history("after")) == ([], [])


def test_no_tasks_are_no_work(bench):
    assert bench.run().outcomes == {}


def test_many_small_tasks_all_end(bench):
    chain = [task("value", "0")]
    for number in range(1, 300):
        chain.append(task("value", str(number), chain[-1]))
    wide = [task("value", f"wide{number}", label="wide") for number in range(300)]
    assert bench.run(*chain, *wide).count("ran") == 600


def test_tasks_run_at_the_same_time(bench):
    together = threading.Barrier(2)
    bench.meet = lambda _work: bench.store.value(together.wait(timeout=20) >= 0)
    assert bench.run(task("meet", "a"), task("meet", "b"), workers=2).count("ran") == 2


def test_what_is_known_is_resolved_as_far_as_contents_are_known(bench):
    bench.run(ONE, TWO, SUM)
    other = task("value", "sum", ONE, task("value", "three", value=3))
    graph = Graph([ONE, TWO, SUM, task("value", "three", value=3), other])
    found = resolve(graph, bench.catalog.known(one.recipe for one in graph.values()), bench.store, {})
    assert {graph[key].label: outcome.status for key, outcome in found.items()} == {
        "one": "reused",
        "two": "reused",
        "sum": "reused",
    }
    assert set(found) == {ONE.key, TWO.key, SUM.key}


def test_what_was_made_of_some_inputs_is_not_given_for_more_of_which_one_is_not_known(bench):
    bench.run(ONE, task("value", "sum", ONE))
    more = task("value", "sum", ONE, TWO)
    assert bench.run(ONE, TWO, more).artifact(more.key).data() == 3


def test_nothing_is_resolved_where_nothing_is_known(bench):
    assert resolve(Graph([ONE, TWO, SUM]), {}, bench.store, {}) == {}


def test_a_worker_looks_a_task_up_in_what_it_was_sent(bench):
    setting = Setting(bench.store, 0, (), bench.find)
    inputs = [Outcome("ran", Artifact("1")), Outcome("reused", Artifact("2"))]
    known = {SUM.memo([outcome.artifact.digest for outcome in inputs]): Artifact("3")}
    assert perform(setting, SUM, known, *inputs).status == "reused"
    assert perform(setting, SUM, known, *reversed(inputs)).status == "ran"
    assert bench.begun == ["sum"]


def test_a_worker_does_not_trust_what_is_known_and_gone(bench):
    setting = Setting(bench.store, 0, (), bench.find)
    frame = task("frame", "frame")
    made = perform(setting, frame, {}).artifact
    (bench.store.root / made.file.path).unlink()
    assert perform(setting, frame, {frame.memo([]): made}).status == "ran"


def test_a_stage_function_is_the_run_of_its_module():
    assert find_stage("merge").__module__ == "engine.stages.merge"


def test_a_stage_that_does_not_exist_is_an_outcome_too(bench):
    outcome = perform(Setting(bench.store), task("no_such_stage", "x"), {})
    assert (outcome.status, outcome.error is not None) == ("failed", True)


def test_a_worker_elsewhere_finds_the_plugins_of_the_users(bench, tmp_path):
    folder = tmp_path / "project"
    (folder / "plugins/transformers").mkdir(parents=True)
    (folder / "plugins/transformers/afar.py").write_text(AFAR)
    bench.build = lambda work: bench.store.value(type(work.plugin("transformer", "step")).__name__)
    setting = Setting(bench.store, 0, (str(folder),), bench.find)
    outcome = perform(setting, task("build", "x", step="afar"), {})
    assert outcome.artifact is not None, outcome.error
    assert outcome.artifact.data() == "Afar"


AFAR = """
from engine.plugin import Transformer


class Afar(Transformer):
    def apply(self, frame):
        return frame
"""

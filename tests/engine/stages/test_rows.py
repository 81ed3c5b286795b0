from __future__ import annotations

import gc
import threading

import polars as pl
import pytest

from engine.errors import DataError
from engine.stages import rows
from engine.stages.work import Work


@pytest.fixture
def part(stages):
    """Rows of two parts in a store; returns how to ask for those of one."""
    table = pl.DataFrame({"x": [1.0, 2.0, 3.0], "__target__": ["a", "b", "a"], "__part__": ["train", "train", "test"]})
    encoded = stages.keep(table)
    return lambda name: rows.of_part(Work({}, (), stages.store, "", ""), encoded, name)


def test_rows_of_a_part_are_read_once_for_all_threads_that_ask(part):
    found, together = [], threading.Barrier(4)

    def ask():
        together.wait(timeout=20)
        found.append(part("train"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(features) for features, _ in found}) == 1
    assert found[0][0].to_dict(as_series=False) == {"x": [1.0, 2.0]}
    assert found[0][1].to_list() == ["a", "b"]
    assert part("test")[1].to_list() == ["a"]


def test_rows_that_no_task_holds_are_let_go_and_those_that_one_holds_stay_shared(part):
    held, _ = part("train")
    part("test")
    rows.forget()
    gc.collect()
    assert part("train")[0] is held
    with pytest.raises(DataError, match="no rows"):
        part("validation")

"""Many processes append to one dataset, while others read it: all of it gets in, once, and nobody sees half a batch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.durability.harbour import Harbour
from tests.durability.nursery import Nursery


@pytest.mark.parametrize(("writers", "each"), [(4, 5), pytest.param(8, 50, marks=pytest.mark.soak)])
def test_every_append_of_every_process_is_there_once_in_one_order(writers, each, nursery, tmp_path: Path):
    harbour, done = Harbour(tmp_path), tmp_path / "done"
    job = {"folder": str(tmp_path), "until": str(done)}
    mine = [
        {**job, "do": "append", "pattern": f"{writer}[0-9][0-9].csv", "numbers": [100 * writer + one for one in range(each)]}
        for writer in range(writers)
    ]
    with Nursery() as other, ThreadPoolExecutor(1) as pool:
        reading = pool.submit(other.do, *[{**job, "do": "read"}] * 2)
        try:
            wrote = nursery.do(*mine)
        finally:
            done.touch()
        read = reading.result()
    assert [one.code for one in (*wrote, *read)] == [0] * (writers + 2), [one.said for one in (*wrote, *read)]
    assert sum(len(one.acknowledged) for one in wrote) == writers * each
    assert [batch.sequence for batch in harbour.batches()] == list(range(1, writers * each + 1))
    assert harbour.incomplete() == []

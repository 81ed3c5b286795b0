"""Steps that look at earlier rows, in a pipeline: which partitions are read beside which, and that nothing later is."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from engine.errors import DataError
from engine.runs import run_pipeline
from plugins.transformers.rolling import Rolling

HEAD = "    key: [id]\n    prepare:\n"
TIMED = "    key: [id]\n    mode: append\n    time: at\n    prepare:\n"
ROLLING = "      - {use: rolling, value: width, by: [colour], on: at, within: 4h, known_after: 1h}\n"


def day(number: int) -> str:
    """Return a CSV file of a shape an hour, all of one day of January."""
    lines = ["id,colour,width,height,kind,at"]
    for hour in range(24):
        colour, kind = ("red", "blue")[hour % 2], "ab"[hour * 7 % 5 > 2]
        lines.append(
            f"{number * 100 + hour},{colour},{hour * 37 % 11 + number},{hour % 5},{kind},2013-01-{number:02}T{hour:02}:00:00"
        )
    return "\n".join(lines) + "\n"


@pytest.fixture
def timed(shapes):
    for number in range(3):
        shapes.write(f"data/shapes-{number}.csv", day(number + 1))
    shapes.pipeline((HEAD, TIMED + ROLLING))
    return shapes


def test_a_new_partition_makes_only_its_own_features_anew(timed):
    assert timed.ran(timed.run())["shapes.features"] == 3
    timed.write("data/shapes-3.csv", day(4))
    ran = timed.ran(timed.run())
    assert (ran["shapes.ingest"], ran["shapes.features"]) == (1, 1)


def test_a_change_makes_anew_what_has_it_in_its_past(timed):
    timed.pipeline((HEAD, TIMED.replace("append", "snapshot") + ROLLING))
    timed.run()
    timed.write("data/shapes-1.csv", day(2).replace(",red,", ",green,"))
    assert timed.ran(timed.run())["shapes.features"] == 2  # its own, and those of the day after


@pytest.mark.parametrize("executor", ["threads", pytest.param("local_cluster", marks=pytest.mark.soak)])
def test_features_are_those_of_the_whole(timed, executor):
    found = timed.run(f"executor={executor}").features().sort("id").collect()
    whole = pl.concat([pl.scan_csv(f"data/shapes-{n}.csv", try_parse_dates=True) for n in range(3)])
    step = Rolling(on="at", value="width", by=("colour",), within="4h", known_after="1h")
    expected = step.apply(whole).collect()
    assert_frame_equal(found.select("id", "width_mean_4h"), expected.select("id", "width_mean_4h"))
    first = found.filter(pl.col("at").dt.day() == 2).row(0, named=True)
    assert first["width_mean_4h"] is not None  # what it is made of is in the file of the day before


def test_a_column_that_is_not_the_datasets_time_takes_all_other_partitions(timed):
    timed.pipeline((HEAD, TIMED.replace("    time: at\n", "") + ROLLING))
    timed.run()
    timed.write("data/shapes-3.csv", day(4))
    assert timed.ran(timed.run())["shapes.features"] == 4


def test_steps_that_look_at_what_others_made_of_earlier_rows_see_them_whole(timed):
    twice = ROLLING + "      - {use: lag, value: width_mean_4h, by: [colour], on: at, within: 3h, into: before}\n"
    timed.pipeline((HEAD, TIMED + twice))
    found = timed.run().features().sort("id").collect()
    red = found.filter(pl.col("colour") == "red")
    assert red["before"].to_list()[1:] == red["width_mean_4h"].to_list()[:-1]


def test_spans_of_times_are_recorded_with_the_batch(timed):
    timed.run()
    with timed.catalog() as catalog:
        first, second, _ = (part.spans["at"] for batch in catalog.batches("shapes") for part in batch.partitions)
    hour = 3_600 * 10**6
    assert (first[1] - first[0], second[0] - first[1]) == (23 * hour, hour)


def test_a_step_that_moves_the_times_before_is_refused(timed):
    moved = "      - {use: derive, at: \"at + interval '1 day'\"}\n"
    timed.pipeline((HEAD, TIMED + moved + ROLLING))
    with pytest.raises(DataError, match="a step before changes 'at'"):
        run_pipeline(timed.load()).raise_failure()

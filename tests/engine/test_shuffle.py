"""A dataset too large to be joined as a whole is joined bucket by bucket, and nobody can tell from the rows."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from engine.errors import DataError
from engine.stages import shuffle
from engine.stages.join import join
from engine.stages.work import Work
from engine.stores.artifacts import ArtifactStore

HOURS = "cast('2026-03-01' as timestamp) + interval '1 hour' * (id % 50)"
ALWAYS = "view.broadcast_limit=600B"  # a file of a few rows has about 1 kB


def paints(*colours, level=0):
    lines = [f"{colour},{number + level},{number % 2}" for number, colour in enumerate(colours)]
    return "\n".join(["colour,price,dark", *lines]) + "\n"


@pytest.fixture
def painted(shapes):
    """Shapes that are joined with paints, of which there are two files, before and after steps; some have no colour."""
    shapes.write("data/paints-0.csv", paints("red", "blue"))
    shapes.write("data/paints-1.csv", paints("green", "pink", level=5))
    shapes.pipeline(
        ("    key: [id]\n", "    key: [id]\n    mode: append\n    time: at\n"),
        ('wide: "width > 5"', f'wide: "width > 5", at: "{HOURS}", colour: "case when id % 5 > 0 then colour end"'),
        ("view:\n", '  paints:\n    extract: {use: csv, path: "data/paints-*.csv"}\n    mode: append\nview:\n'),
        ("  from: shapes\n", "  from: shapes\n  join:\n    - {with: paints, on: [colour]}\n"),
        (
            "    - {use: drop, columns: [wide]}",
            "    - {use: expanding, value: price, by: [colour], on: at}\n    - {use: drop, columns: [wide]}",
        ),
    )
    return shapes


def view(run):
    return [run.execution.artifact(key).digest for key in run.compiled.view]


def test_rows_and_their_bytes_are_those_of_a_join_as_a_whole(painted):
    whole = painted.run("store.root=whole")
    cut = painted.run(ALWAYS)
    assert_frame_equal(cut.features().collect(), whole.features().collect())
    assert view(cut) == view(whole)
    assert painted.ran(cut)["shapes.join"] == len(cut.compiled.graph.stages()["shapes.join"]) > 1
    assert "shapes.join" not in painted.ran(whole)


def test_a_shuffle_scatters_each_partition_of_both_sides_once(painted):
    ran = painted.ran(painted.run(ALWAYS))
    assert (ran["shapes.scatter"], ran["paints.scatter"], ran["shapes.features"]) == (3, 2, 3)
    painted.write("data/shapes-3.csv", painted.rows(61, 20))
    again = painted.ran(painted.run(ALWAYS))
    assert again["shapes.scatter"] == 1, "what is new is prepared, and nothing else"
    assert "paints.scatter" not in again


def test_two_shuffles_one_after_the_other_come_to_the_same(painted):
    painted.write("data/moods.csv", "dark,mood\n0,bright\n1,sad\n")
    text = (painted.folder / "conf/pipeline/shapes.yaml").read_text()
    text = text.replace("view:\n", "  moods: {extract: {use: csv, path: data/moods.csv}}\nview:\n")
    painted.write(
        "conf/pipeline/shapes.yaml", text.replace("on: [colour]}\n", "on: [colour]}\n    - {with: moods, on: [dark]}\n")
    )
    whole, cut = painted.run("store.root=whole"), painted.run(ALWAYS)
    assert view(cut) == view(whole)
    assert cut.features().collect()["mood"].null_count() == 12


def test_a_time_may_change_once_no_step_looks_at_it_any_more(painted):
    for number in range(3):
        header, *rows = painted.rows(1 + 20 * number, 20).splitlines()
        lines = [f"{header},at", *(f"{row},2026-03-{number + 1:02}T{place:02}:00:00" for place, row in enumerate(rows))]
        painted.write(f"data/shapes-{number}.csv", "\n".join(lines) + "\n")
    text = (painted.folder / "conf/pipeline/shapes.yaml").read_text().replace(f', at: "{HOURS}"', "")
    looking = "{use: expanding, value: price, by: [colour], on: at}"
    assert looking in text
    text = text.replace(looking, "{use: cast, columns: {at: Date}}")
    text = text.replace("  paints:\n", f"      - {looking.replace('price', 'width')}\n  paints:\n")
    painted.write("conf/pipeline/shapes.yaml", text)
    whole, cut = painted.run("store.root=whole"), painted.run(ALWAYS)
    assert view(cut) == view(whole)


def test_as_of_a_time_bucket_by_bucket_comes_to_the_same(painted):
    lines = [f"{colour},2026-03-0{day}T00:00:00,{day}" for colour in ("red", "green", "blue") for day in (1, 2, 3)]
    painted.write("data/paints-0.csv", "\n".join(["colour,seen,price", *lines]) + "\n")
    (painted.folder / "data/paints-1.csv").unlink()
    text = (painted.folder / "conf/pipeline/shapes.yaml").read_text()
    painted.write(
        "conf/pipeline/shapes.yaml",
        text.replace("on: [colour]}\n", "on: [colour], time: at, with_time: seen, tolerance: 30h}\n").replace(
            "[wide]", "[wide, seen]"
        ),
    )
    whole, cut = painted.run("store.root=whole"), painted.run(ALWAYS)
    assert view(cut) == view(whole)
    assert cut.features().collect()["price"].null_count() == 12


def test_a_key_that_is_there_twice_is_refused_bucket_by_bucket_as_well(painted):
    painted.write("data/paints-1.csv", paints("green", "red"))
    with pytest.raises(DataError, match="paints has several rows for one key"):
        painted.run(ALWAYS)


def test_all_rows_together_are_one_unit_where_a_step_is_over_the_whole_table(painted):
    text = (painted.folder / "conf/pipeline/shapes.yaml").read_text()
    text = text.replace(
        "    - {use: drop, columns: [wide]}", "    - {use: deduplicate, columns: [width]}\n    - {use: drop, columns: [wide]}"
    )
    painted.write("conf/pipeline/shapes.yaml", text)
    whole, cut = painted.run("store.root=whole"), painted.run(ALWAYS)
    assert (view(cut), len(view(cut))) == (view(whole), 1)


KEYS = st.lists(st.none() | st.integers(-3, 3), max_size=12)
TYPES = st.sampled_from([pl.Int8, pl.Int32, pl.Int64])


@given(st.lists(KEYS, min_size=1, max_size=4), st.lists(KEYS, min_size=1, max_size=3), st.integers(1, 4), TYPES, TYPES)
def test_any_cut_gives_the_rows_of_the_join_as_a_whole(tmp_path_factory, lefts, rights, buckets, one, other):
    """Several rows may match one: their order is that of the dataset."""
    store = ArtifactStore(tmp_path_factory.mktemp("cut"))
    node = {"with": "other", "on": ["key"], "suffix": None, "many": True, "time": None, "with_time": None}
    tables = [
        [
            pl.DataFrame({"key": keys, "n": [f"{n}:{i}" for i in range(len(keys))]}, schema={"key": dtype, "n": pl.String})
            for n, keys in enumerate(parts)
        ]
        for parts, dtype in ((lefts, one), (rights, other))
    ]
    kept = [
        [store.write_frame(shuffle.scattered(part.lazy(), ["key"], buckets), side, f"part-{n}") for n, part in enumerate(parts)]
        for side, parts in zip("lr", tables, strict=True)
    ]
    joined = [
        shuffle.run(
            Work({"join": node, "first": 0, "left": len(lefts), "bucket": n}, (*kept[0], *kept[1]), store, "out", f"part-{n}")
        )
        for n in range(buckets)
    ]
    work = Work({}, tuple(joined), store, "out", "part-0")
    found = pl.concat(shuffle.gathered(work, joined, [part]).collect() for part in range(len(lefts)))
    assert_frame_equal(found, join(pl.concat(tables[0]).lazy(), pl.concat(tables[1]).lazy(), node).collect())

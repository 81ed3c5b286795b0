"""Datasets come in batch by batch: what is new, what has changed, what does not fit, and what fails."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from engine.errors import ConfigError, ConflictError, DataError, HostError, UnknownName
from engine.ingestion import ALL, Window
from engine.intake import ingest_pipeline
from engine.runs import run_pipeline
from engine.stores.catalog import Catalog

APPEND = ("    key: [id]\n", "    key: [id]\n    mode: append\n")
KEY = "    key: [id]\n"
LINES = """
  lines:
    extract: {use: csv, path: "data/lines.csv"}
"""


@pytest.fixture
def growing(shapes):
    """A dataset that grows by files."""
    shapes.pipeline(APPEND)
    return shapes


def ingest(shapes, *overrides, names=None, window=ALL):
    return ingest_pipeline(shapes.load(*overrides), names, window)


def told(ingestion):
    """Return, for each dataset, how many batches are new and how many rows it has in all."""
    return {one["name"]: (one["new"], one["rows"]) for one in ingestion.summary["datasets"]}


def files_of(shapes, dataset="shapes"):
    """Return the names of the files of each batch."""
    with shapes.catalog() as catalog:
        return [[Path(part.source).name for part in batch.partitions] for batch in catalog.batches(dataset)]


def error(ingestion):
    with pytest.raises(DataError) as caught:
        ingestion.raise_failure()
    return caught.value


class TestWhatIsNew:
    def test_each_file_of_a_growing_dataset_is_a_batch_and_the_second_call_has_nothing_to_do(self, growing):
        assert told(ingest(growing)) == {"shapes": (3, 60)}
        assert told(ingest(growing)) == {"shapes": (0, 60)}
        growing.write("data/shapes-3.csv", growing.rows(61, 5))
        assert told(ingest(growing)) == {"shapes": (1, 65)}
        assert files_of(growing) == [["shapes-0.csv"], ["shapes-1.csv"], ["shapes-2.csv"], ["shapes-3.csv"]]

    def test_a_snapshot_is_one_batch_and_reads_only_what_has_changed(self, shapes):
        assert told(ingest(shapes)) == {"shapes": (1, 60)}
        shapes.write("data/shapes-1.csv", shapes.rows(101, 30))
        assert told(ingest(shapes)) == {"shapes": (1, 70)}
        assert files_of(shapes) == [["shapes-0.csv", "shapes-1.csv", "shapes-2.csv"], ["shapes-1.csv"]]
        with shapes.catalog() as catalog:
            first, second = catalog.batches()
        assert second.carried == ((first.id, 0), (first.id, 2))
        assert shapes.run().features().collect().height == 70

    def test_a_snapshot_without_a_file_is_a_new_batch_that_reads_nothing(self, shapes):
        ingest(shapes)
        (shapes.folder / "data/shapes-1.csv").unlink()
        assert told(ingest(shapes)) == {"shapes": (1, 40)}
        assert files_of(shapes)[1] == []

    def test_a_snapshot_that_goes_back_is_what_it_was(self, shapes):
        ingest(shapes)
        old = (shapes.folder / "data/shapes-1.csv").read_bytes()
        shapes.write("data/shapes-1.csv", shapes.rows(101, 30))
        ingest(shapes)
        shapes.write("data/shapes-1.csv", old)
        assert told(ingest(shapes)) == {"shapes": (1, 60)}
        assert shapes.run().features().collect()["id"].sort().to_list() == list(range(1, 61))

    def test_a_file_that_was_only_touched_is_nothing_new_and_leaves_nothing_behind(self, growing):
        ingest(growing)
        kept = sorted((growing.folder / ".levada/raw").rglob("*.parquet"))
        os.utime(growing.folder / "data/shapes-1.csv")
        assert told(ingest(growing)) == {"shapes": (0, 60)}
        assert sorted((growing.folder / ".levada/raw").rglob("*.parquet")) == kept
        with growing.catalog() as catalog:
            assert catalog.reservations() == []

    def test_a_batch_says_where_it_is_from_and_what_is_in_it(self, growing):
        run = ingest(growing).summary["id"]
        with growing.catalog() as catalog:
            batch = catalog.batches()[1]
        (partition,) = batch.partitions
        assert (batch.sequence, batch.mode, batch.run) == (2, "append", run)
        assert "@" in batch.by
        assert '"use":"csv"' in batch.source
        assert dict(batch.columns) == {
            "id": "Int64",
            "colour": "String",
            "width": "Float64",
            "height": "Float64",
            "kind": "String",
        }
        assert (batch.rows_in, batch.rows, batch.quarantined) == (20, 20, 0)
        assert pl.read_parquet(growing.folder / ".levada" / partition.loaded.path).height == partition.loaded.rows
        assert f"raw/shapes/batch={batch.id}/" in partition.loaded.path

    def test_other_rules_read_everything_again_and_the_old_ones_nothing(self, growing):
        ingest(growing)
        plain = (growing.folder / "conf/pipeline/shapes.yaml").read_text()
        growing.pipeline(("    key: [id]\n", APPEND[1] + "    expect: [{use: between, column: width, max: 9}]\n"))
        ruled = ingest(growing)
        assert told(ruled)["shapes"][0] == 3
        assert told(ruled)["shapes"][1] < 60
        growing.write("conf/pipeline/shapes.yaml", plain)
        assert told(ingest(growing)) == {"shapes": (0, 60)}

    def test_what_can_not_be_read_again_stays_as_it_was(self, growing):
        ingest(growing)
        (growing.folder / "data/shapes-0.csv").unlink()
        growing.pipeline(("    key: [id]\n", APPEND[1] + "    expect: [{use: between, column: id, max: 30}]\n"))
        assert told(ingest(growing)) == {"shapes": (2, 20 + 10)}

    def test_rows_that_are_gone_from_the_store_are_read_once_more(self, growing):
        ingest(growing)
        with growing.catalog() as catalog:
            lost = growing.folder / ".levada" / catalog.batches()[1].partitions[0].loaded.path
        before = lost.read_bytes()
        lost.unlink()
        assert told(ingest(growing)) == {"shapes": (0, 60)}
        assert lost.read_bytes() == before

    def test_rows_that_are_gone_with_their_source_are_said(self, growing):
        ingest(growing)
        with growing.catalog() as catalog:
            (growing.folder / ".levada" / catalog.batches()[1].partitions[0].loaded.path).unlink()
        (growing.folder / "data/shapes-1.csv").unlink()
        found = ingest(growing)
        with pytest.raises(HostError, match=r"rows of .*shapes-1.csv are gone from the store"):
            found.raise_failure()

    def test_only_the_datasets_that_are_named_are_ingested(self, growing):
        with pytest.raises(UnknownName) as caught:
            ingest(growing, names=["shpes"])
        assert caught.value.hint == "did you mean 'shapes'?"
        assert told(ingest(growing, names=["shapes"])) == {"shapes": (3, 60)}


class TestRange:
    @pytest.fixture
    def dated(self, shapes):
        for number, month in enumerate(("2013-01", "2013-02", "2013-03")):
            (shapes.folder / f"data/shapes-{number}.csv").rename(shapes.folder / f"data/shapes-{month}.csv")
        shapes.pipeline(APPEND)
        return shapes

    def test_files_of_a_range_are_ingested_alone(self, dated):
        assert told(ingest(dated, window=Window(since="2013-02", until="2013-03"))) == {"shapes": (1, 20)}
        assert files_of(dated) == [["shapes-2013-02.csv"]]
        assert told(ingest(dated, window=Window(since="2013-02"))) == {"shapes": (1, 40)}
        assert told(ingest(dated)) == {"shapes": (1, 60)}

    def test_a_file_that_has_changed_is_taken_when_it_is_asked_for(self, dated):
        ingest(dated)
        dated.write("data/shapes-2013-02.csv", dated.rows(101, 30))
        assert "has changed" in error(ingest(dated)).what
        assert told(ingest(dated, window=Window(since="2013-02", until="2013-03"))) == {"shapes": (1, 70)}
        assert told(ingest(dated)) == {"shapes": (0, 70)}

    def test_a_range_leaves_snapshots_out(self, dated):
        dated.pipeline(APPEND, ("view:\n", LINES.lstrip("\n") + "view:\n"))
        assert told(ingest(dated, window=Window(since="2013-02", until="2013-03"))) == {"shapes": (1, 20)}

    def test_a_snapshot_has_no_ranges(self, shapes):
        found = ingest(shapes, window=Window(since="2013"))
        with pytest.raises(ConfigError, match="shapes is a snapshot, which is always whole"):
            found.raise_failure()


COUNTER = '''
import json
from pathlib import Path
import polars as pl
from pydantic import Field
from engine.names import Secret
from engine.plugin import ALL, Extractor, Source, SourcePartition, Window

class Counter(Extractor):
    """Numbers from 1 to what a file says, in ranges."""

    file: str = Field(description="Where the last number stands.")
    size: int = Field(default=10, description="Numbers in a range.")
    token: Secret | None = Field(default=None, description="A secret.")

    @property
    def incremental(self) -> bool:
        return True

    @property
    def between(self) -> str | None:
        return "n"

    def plan(self, window: Window = ALL) -> Source:
        last = int(Path(self.file).read_text())
        first, end = int(window.since or int(window.after or 0) + 1), int(window.until or last + 1)
        ranges = [(low, min(low + self.size, end)) for low in range(first, end, self.size)]
        parts = tuple(SourcePartition(f"n {a} to {b - 1}", f"{a}-{b}", detail=f"{a} {b}") for a, b in ranges)
        return Source(parts, ("n", "twice"), watermark=str(last) if window.since is None else None)

    def read(self, partition: SourcePartition, *, thorough: bool = False) -> pl.LazyFrame:
        if self.token is not None:
            assert self.token.get_secret_value() == "open sesame"
        low, high = map(int, partition.detail.split())
        factor = int(Path(self.file + ".factor").read_text()) if Path(self.file + ".factor").exists() else 2
        return pl.LazyFrame({"n": range(low, high)}, schema={"n": pl.Int64}).with_columns(twice=pl.col("n") * factor)
'''


class TestIncremental:
    @pytest.fixture
    def counting(self, shapes, forget):
        shapes.write("plugins/extractors/counter.py", COUNTER)
        forget()
        shapes.pipeline(
            (
                '    extract: {use: csv, path: "data/shapes-*.csv"}\n',
                "    extract: {use: counter, file: last}\n    mode: append\n",
            ),
            ("    key: [id]\n", ""),
        )
        return shapes

    def rows(self, shapes):
        from engine import raw

        return raw("shapes", "pipeline=shapes").collect()

    def test_only_what_is_newer_than_the_last_batch_is_read_and_all_of_it_is_one_batch(self, counting):
        for last, expected in ((25, (1, 25)), (25, (0, 25)), (40, (1, 40))):
            counting.write("last", str(last))
            assert told(ingest(counting)) == {"shapes": expected}
        with counting.catalog() as catalog:
            first, second = catalog.batches()
        assert ([part.loaded.rows for part in first.partitions], first.watermark) == ([10, 10, 5], "25")
        assert [part.source for part in second.partitions] == ["n 26 to 35", "n 36 to 40"]

    def test_a_backfill_takes_the_place_of_its_range_and_nothing_doubles(self, counting):
        counting.write("last", "40")
        ingest(counting)
        counting.write("last.factor", "3")
        assert told(ingest(counting, window=Window(since="15", until="22")))["shapes"][0] == 1
        found = self.rows(counting).sort("n")
        assert found["n"].to_list() == list(range(1, 41))
        assert found.filter(pl.col("twice") == pl.col("n") * 3)["n"].to_list() == list(range(15, 22))
        counting.write("last", "41")
        assert told(ingest(counting)) == {"shapes": (1, 41)}

    def test_a_secret_reaches_the_extractor_and_no_file(self, counting, monkeypatch):
        monkeypatch.setenv("TOKEN", "open sesame")
        counting.write("last", "5")
        secret = "datasets.shapes.extract.token=${oc.env:TOKEN}"
        assert told(ingest(counting, secret)) == {"shapes": (1, 5)}
        for file in (counting.folder / ".levada").rglob("*"):
            assert file.is_dir() or b"sesame" not in file.read_bytes(), file


class TestDrift:
    @pytest.fixture
    def drift(self, growing):
        """Ingest, then bring a file whose columns are others; give back what came of it, and the files of the batches."""

        def bring(content, on_drift):
            ingest(growing)
            growing.write("data/shapes-3.csv", content)
            return ingest(growing, f"datasets.shapes.on_drift={on_drift}")

        return bring

    def more(self, shapes):
        head, *rows = shapes.rows(61, 4).splitlines()
        return "\n".join([head + ",weight", *(f"{row},{number}" for number, row in enumerate(rows))]) + "\n"

    def test_other_columns_are_refused_with_the_file_and_what_may_be_done(self, growing, drift):
        found = error(drift(self.more(growing), "error"))
        assert found.what == "the column 'weight' is new"
        assert found.where.endswith("shapes-3.csv")
        assert "on_drift be evolve" in found.hint
        assert len(files_of(growing)) == 3

    def test_a_new_column_may_come_in_and_is_empty_before(self, growing, drift):
        found = drift(self.more(growing), "evolve")
        assert told(found) == {"shapes": (1, 64)}
        assert [warning["code"] for warning in found.summary["warnings"]] == ["drift"]
        rows = growing.run("datasets.shapes.on_drift=evolve").features().collect()
        assert rows["weight"].to_list() == [None] * 60 + [0, 1, 2, 3]
        with growing.catalog() as catalog:
            assert catalog.batches()[-1].drift[0].endswith("shapes-3.csv: the column 'weight' is new")

    def test_a_missing_column_may_be_empty(self, growing, drift):
        rows = [",".join(line.split(",")[:3] + line.split(",")[4:]) for line in growing.rows(61, 4).splitlines()]
        assert told(drift("\n".join(rows) + "\n", "evolve")) == {"shapes": (1, 64)}
        found = growing.run("datasets.shapes.on_drift=evolve").features().collect()
        assert found["height"].tail(4).to_list() == [None] * 4

    def test_a_column_of_another_type_makes_it_text(self, growing, drift):
        content = "id,colour,width,height,kind\n61,red,wide,1.5,a\n"
        assert told(drift(content, "evolve")) == {"shapes": (1, 61)}
        with growing.catalog() as catalog:
            assert dict(catalog.batches()[-1].columns)["width"] == "String"

    def test_rows_that_do_not_fit_go_to_quarantine_and_the_others_come_in(self, growing, drift):
        content = "id,colour,width,height,kind\n61,red,wide,1.5,a\n62,red,2.5,1.5,a\n"
        found = drift(content, "quarantine")
        assert told(found) == {"shapes": (1, 61)}
        with growing.catalog() as catalog:
            batch = catalog.batches()[-1]
        (partition,) = batch.partitions
        assert (batch.rows_in, batch.rows, batch.quarantined) == (2, 1, 1)
        assert [reason.check for reason in partition.reasons] == ["width is Float64"]
        aside = pl.read_parquet(growing.folder / ".levada" / partition.aside.path)
        assert aside.select("__row__", "id", "width").rows() == [(1, 61, "wide")]
        assert growing.run("datasets.shapes.on_drift=quarantine").features().collect().height == 61

    def test_rows_with_another_column_all_go_to_quarantine(self, growing, drift):
        found = drift(self.more(growing), "quarantine")
        assert told(found) == {"shapes": (1, 60)}
        with growing.catalog() as catalog:
            assert (catalog.batches()[-1].rows_in, catalog.batches()[-1].quarantined) == (4, 4)
        assert told(ingest(growing, "datasets.shapes.on_drift=quarantine")) == {"shapes": (0, 60)}

    def test_what_was_set_aside_whole_adds_no_column(self, growing, drift):
        drift(self.more(growing), "quarantine")
        growing.write("data/shapes-4.csv", self.more(growing).replace("\n6", "\n7"))
        assert told(ingest(growing, "datasets.shapes.on_drift=quarantine")) == {"shapes": (1, 60)}
        assert "weight" not in growing.run("datasets.shapes.on_drift=quarantine").features().collect().columns

    def test_numbers_that_only_widen_are_no_drift(self, growing):
        growing.write("data/shapes-0.csv", "id,colour,width,height,kind\n1,red,2,1,a\n")
        assert told(ingest(growing)) == {"shapes": (3, 41)}
        assert ingest(growing).summary["warnings"] == []

    def test_a_column_that_looks_renamed_is_said_to_be(self, growing, drift):
        assert (
            "'colour' seems to be called 'color' now"
            in error(drift(growing.rows(61, 3).replace("colour", "color"), "error")).what
        )


class TestFailure:
    def test_a_file_that_fails_stops_neither_the_others_nor_other_datasets(self, growing):
        growing.pipeline(APPEND, ("view:\n", LINES.lstrip("\n") + "view:\n"))
        growing.write("data/lines.csv", "n\n1\n2\n")
        growing.write("data/shapes-1.csv", "id,colour\n".encode("utf-16"))
        found = ingest(growing)
        assert told(found) == {"shapes": (2, 40), "lines": (1, 2)}
        assert "UTF-16" in error(found).what
        assert found.summary["status"] == "failed"

    def test_a_source_that_is_not_there_does_not_stop_other_datasets(self, growing):
        growing.pipeline(APPEND, ("view:\n", LINES.lstrip("\n") + "view:\n"))
        found = ingest(growing)
        assert told(found) == {"shapes": (3, 60), "lines": (0, 0)}
        assert "no such file" in error(found).what

    def test_of_a_snapshot_with_a_bad_file_nothing_is_visible(self, shapes):
        shapes.write("data/shapes-1.csv", "id,colour\n".encode("utf-16"))
        assert told(ingest(shapes)) == {"shapes": (0, 0)}
        shapes.write("data/shapes-1.csv", shapes.rows(21, 20))
        assert told(ingest(shapes)) == {"shapes": (1, 60)}

    def test_a_run_with_a_bad_file_ends_with_its_error_and_does_what_does_not_need_it(self, growing):
        growing.write("data/shapes-1.csv", "id,colour\n".encode("utf-16"))
        found = run_pipeline(growing.load())
        assert found.summary["status"] == "failed"
        assert growing.ran(found) == {"shapes.ingest": 2, "shapes.features": 2}
        with pytest.raises(DataError, match="UTF-16"):
            found.raise_failure()

    def test_rows_are_counted_in_and_out(self, growing):
        growing.pipeline(("    key: [id]\n", APPEND[1] + "    expect: [{use: not_null, columns: [height]}]\n"))
        growing.write("data/shapes-1.csv", growing.rows(21, 20) + "99,red\n")
        ingest(growing)
        with growing.catalog() as catalog:
            batches = catalog.batches()
        assert [batch.rows_in for batch in batches] == [20, 21, 20]
        assert all(batch.rows_in == batch.rows + batch.quarantined for batch in batches)


class TestAnnouncement:
    def announced(self, catalog: Catalog):
        return [event.payload["batch"] for _, event in catalog.logged("batch.committed", 0, 100)]

    def test_every_batch_is_announced_once(self, growing):
        ingest(growing)
        ingest(growing)
        with growing.catalog() as catalog:
            assert self.announced(catalog) == [batch.id for batch in catalog.batches()]
            assert catalog.outbox() == []

    def test_what_a_process_left_is_announced_by_the_next(self, growing, monkeypatch):
        with monkeypatch.context() as ended:  # as if the process had ended right after each commit
            ended.setattr("engine.ingestion.admission.announce", lambda *_: 0)
            ingest(growing)
        with growing.catalog() as catalog:
            assert len(catalog.outbox()) == 3
        ingest(growing)
        with growing.catalog() as catalog:
            assert self.announced(catalog) == [batch.id for batch in catalog.batches()]


class TestWhatIsGivenUp:
    def test_a_batch_that_is_read_for_longer_than_gc_waits_is_not_committed_and_comes_with_the_next_call(self, shapes, forget):
        shapes.write(
            "plugins/functions/slow.py",
            "import polars as pl\n"
            "from pathlib import Path\n"
            "from engine.config.spec import Store\n"
            "from engine.opened import open_catalog\n"
            "def slow():\n"
            "    if not Path('once').exists():\n"
            "        Path('once').touch()\n"
            "        catalog = open_catalog(Store())\n"
            "        (held,) = catalog.reservations()\n"
            "        assert catalog.release(held.id)\n"  # as gc does when it is old
            "        catalog.close()\n"
            "    return pl.DataFrame({'id': [1, 2]})\n",
        )
        forget()
        shapes.pipeline((KEY, KEY + "  slow:\n    extract: {use: python, function: slow}\n"))
        found = ingest(shapes, names=["slow"])
        with pytest.raises(ConflictError, match="given it up"):
            found.raise_failure()
        assert told(found) == {"slow": (0, 0)}
        assert told(ingest(shapes, names=["slow"])) == {"slow": (1, 2)}

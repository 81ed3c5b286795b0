"""A bit flips, or a file is cut short: ``fsck`` names the file, and nobody reads it. Every kind of file that Levada writes."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Corrupt, LevadaError
from engine.opened import opened
from engine.stores.aliases import Alias
from engine.stores.artifacts import ArtifactStore
from tests.durability.harbour import Harbour
from tests.durability.nursery import Nursery

AMOUNTS = [pytest.param(60, 12, id="some"), pytest.param(1_000, 200, id="many", marks=pytest.mark.soak)]


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Harbour:
    """A harbour whose pipeline has run, so that its store has files of all kinds and its catalog rows of all tables."""
    harbour = Harbour.create(tmp_path_factory.mktemp("harbour"))
    for job in ("run", "ingest", "ingest"):
        ended = nursery.one(folder=str(harbour.folder), do=job)
        assert ended.code == 0, ended.said
        (harbour.folder / "data/tides/000.csv").touch()
    with opened(harbour.store) as stores:
        stores.catalog.save_offset("a reader", "batch.committed", 3)
        stores.catalog.reserve("tides", "a fingerprint", "an id")
        stores.catalog.move_alias(Alias(pipeline="harbour", name="champion", version="a version"))
    return harbour


def kinds(harbour: Harbour) -> dict[str, list[Path]]:
    """Return the files of a store by kind: the folder of raw and quarantined rows, the stage of a result."""
    found: dict[str, list[Path]] = {}
    for file in sorted(harbour.root.rglob("*")):
        if file.is_file() and file.suffix not in (".sqlite-wal", ".sqlite-shm"):
            parts = file.relative_to(harbour.root).parts
            found.setdefault("/".join(parts[: 2 if parts[0] == "artifacts" else 1]), []).append(file)
    return found


def dump(harbour: Harbour) -> dict[str, list[Any]]:
    """Return all that the catalog says."""
    with closing(sqlite3.connect(harbour.root / "catalog.sqlite")) as catalog:
        tables = [name for (name,) in catalog.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()]
        return {name: sorted(catalog.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in sorted(tables)}


def spoilt(choice: Iterable[Path], amount: int, dice: random.Random, *, cut: bool) -> Iterator[Path]:
    """Spoil one file after the other, each as often as any, and put it back as it was."""
    files = sorted(choice)
    for number in range(amount):
        file = files[number % len(files)]
        before = file.read_bytes()
        if cut:
            where = dice.randrange(len(before))
            file.write_bytes(before[:where])
        else:
            where = dice.randrange(len(before) * 8)
            file.write_bytes(before[: where // 8] + bytes([before[where // 8] ^ 1 << where % 8]) + before[where // 8 + 1 :])
        print(f"{'cut at' if cut else 'flipped bit'} {where} of {file}")
        try:
            yield file
        finally:
            for more in ("-wal", "-shm"):
                Path(f"{file}{more}").unlink(missing_ok=True)
            file.write_bytes(before)


def is_named(harbour: Harbour, file: Path) -> bool:
    """Say whether fsck finds something wrong, and names the file."""
    try:
        findings = harbour.findings()
    except LevadaError as error:
        return str(file) in str(error)
    return any(one["severity"] == "error" and one["path"] == str(file) for one in findings)


def test_the_store_has_every_kind_of_file_and_all_of_it_is_as_it_was_written(harbour):
    stages = {f"artifacts/harbour.{stage}" for stage in ("encode", "estimate", "evaluate", "segregate")}
    assert kinds(harbour).keys() >= {"raw", "quarantine", "features", "catalog.sqlite"}
    assert len([name for name in kinds(harbour) if name.startswith("artifacts/")]) >= 3, stages
    assert {file.suffix for files in kinds(harbour).values() for file in files} >= {".parquet", ".skops", ".sqlite"}
    assert [name for name, rows in dump(harbour).items() if not rows] == ["outbox"]
    assert harbour.findings() == []


def spoil_and_look(harbour: Harbour, choice: Iterable[Path], flips: int, cuts: int, dice: random.Random) -> None:
    """Spoil files and see that each time it is found, or changes nothing of what the catalog says."""
    whole, choice = dump(harbour), list(choice)
    for amount, cut in ((flips, False), (cuts, True)):
        for file in spoilt(choice, amount, dice, cut=cut):
            if not is_named(harbour, file):
                assert file.name == "catalog.sqlite"
                assert dump(harbour) == whole
    assert harbour.findings() == []


@pytest.mark.parametrize(("flips", "cuts"), AMOUNTS)
def test_every_flipped_bit_and_every_cut_is_found(flips, cuts, harbour, dice):
    spoil_and_look(harbour, [dice.choice(files) for files in kinds(harbour).values()], flips, cuts, dice)


@pytest.mark.parametrize(("flips", "cuts"), AMOUNTS)
def test_every_flipped_bit_of_the_catalog_is_found_or_changes_nothing(flips, cuts, harbour, dice):
    spoil_and_look(harbour, [harbour.root / "catalog.sqlite"], flips, cuts, dice)


def unread(harbour: Harbour, flips: int, dice: random.Random) -> None:
    """See that rows with a flipped bit are refused to whoever asks for them."""
    with opened(harbour.store, look=True) as stores:
        batches = stores.catalog.batches()
    pieces = {harbour.root / piece.path: piece for one in batches for part in one.partitions for piece in part.pieces}
    for file in spoilt(pieces, flips, dice, cut=False):
        with pytest.raises(Corrupt, match=re.escape(str(file))):
            ArtifactStore(harbour.root).raw.scan(pieces[file].artifact())


@pytest.mark.parametrize("flips", [40, pytest.param(400, marks=pytest.mark.soak)])
def test_rows_with_a_flipped_bit_are_never_read(flips, harbour, dice):
    unread(harbour, flips, dice)

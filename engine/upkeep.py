"""Looks after a store: says whether all that its catalog names is there and as it was, and clears away what nothing names.

In: a store. Out: plain data. Neither asks what a pipeline is: the catalog and the files are all that they know.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from engine import digest
from engine.bundling import registered
from engine.config.spec import Store
from engine.errors import ConfigError, Corrupt
from engine.names import span
from engine.opened import open_catalog
from engine.stores import files
from engine.stores.artifacts import IN_MONGODB, Artifact, ArtifactStore
from engine.stores.batches import Batch
from engine.stores.catalog import Catalog, Memory, RunRecord
from engine.stores.features import FeatureVersion
from engine.stores.raw import Found, found_files

DAY = 86_400.0
"""Seconds of grace that what nothing names is given, unless told otherwise."""

_ALL = 1_000_000_000  # runs

_AREAS = ("raw", "quarantine", "features", "artifacts", "bundles")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as the catalog says. A ``note`` is made anew by the next run; an ``error`` is not.

    ``problem`` is missing, size, digest, unreadable or, of the catalog itself, damaged.
    """

    severity: Literal["error", "note"]
    path: str
    problem: str
    what: str
    expected: str = ""
    found: str = ""


def fsck(store: Store) -> dict[str, Any]:
    """Read all that a store holds and return what is wrong with it: ``findings``, and how much was ``checked``.

    Changes nothing. May run beside anything else but ``gc``. Raises ``HostError`` when the store can not be reached.
    """
    checked = {"batches": 0, "results": 0, "features": 0, "models": 0, "files": 0, "bytes": 0}
    findings: list[Finding] = []
    place = f"the database {store.database}" if store.kind == "mongo" else str(Path(store.root).absolute() / "catalog.sqlite")
    try:
        with _opened(store) as (kept, catalog):
            findings += [Finding("error", place, "damaged", "the catalog", found=text) for text in catalog.check()]
            if not findings:
                findings += _look_through(kept, catalog, checked)
    except Corrupt as error:
        found = f"{error.what}: {error.found}" if error.found else error.what
        findings.append(Finding("error", place, "damaged", "the catalog", found=found))
    return {"findings": [asdict(one) for one in findings], "checked": checked, "errors": _count(findings, "error")}


def _count(findings: Iterable[Finding], severity: str) -> int:
    return sum(one.severity == severity for one in findings)


def _look_through(kept: ArtifactStore, catalog: Catalog, checked: dict[str, int]) -> Iterator[Finding]:
    """Yield what is wrong with the files that the catalog names; those of batches first, each file once."""
    seen = set[str]()
    batches = catalog.batches()
    live = _live(batches, {one.id for one in catalog.reservations()})
    for batch in batches:
        checked["batches"] += 1
        for partition in batch.partitions:
            for piece in partition.pieces:
                seen.add(piece.path)
                what = f"batch {batch.sequence} of {batch.dataset} ({partition.source})"
                yield from _look(kept, piece.artifact(), what, checked, lost="error")
    for memory in catalog.remembered():
        checked["results"] += 1
        for artifact in (memory.artifact, *memory.artifact.beside):
            path = artifact.file.path if artifact.file is not None else ""
            batch_id = _batch_of(path)
            if path and path not in seen and (batch_id is None or batch_id in live):
                seen.add(path)
                yield from _look(kept, artifact, f"a result of {memory.label}", checked, lost="note")
    for version in (one for one in catalog.features() if one.retired is None):
        checked["features"] += 1
        for part in (one for one in version.partitions if one.piece.path not in seen):
            seen.add(part.piece.path)
            yield from _look(kept, part.piece.artifact(), f"version {version.id} of {version.view}", checked, lost="note")
    yield from _look_at_models(kept, catalog, checked, seen)


def _look_at_models(kept: ArtifactStore, catalog: Catalog, checked: dict[str, int], seen: set[str]) -> Iterator[Finding]:
    """Yield what is wrong with bundles, and with files of theirs that were not seen yet."""
    for one in registered(catalog.runs(_ALL)).values():
        checked["models"] += 1
        what = f"the model {one.id} of {one.pipeline}"
        problems = list(_look(kept, Artifact(file=one.file), what, checked, lost="error"))
        yield from problems
        for artifact in () if problems else one.manifest(kept).files():
            if artifact.file is not None and artifact.file.path not in seen:
                seen.add(artifact.file.path)
                yield from _look(kept, artifact, what, checked, lost="note")


def _look(
    kept: ArtifactStore, artifact: Artifact, what: str, checked: dict[str, int], *, lost: Literal["error", "note"]
) -> Iterator[Finding]:
    file = artifact.file
    assert file is not None, "only what has a file is looked at"
    checked["files"] += 1
    checked["bytes"] += file.bytes
    if file.path.startswith(IN_MONGODB):
        if not kept.raw.holds(artifact):
            yield Finding(lost, file.path, "missing", what, f"{artifact.rows or 0:,} rows", "not all of them")
            return
        try:
            kept.raw.check(artifact)
        except Corrupt as error:
            yield Finding("error", file.path, "digest", what, error.expected, error.found)
        return
    path = kept.root / file.path
    try:
        size = path.stat().st_size
        if size != file.bytes:
            yield Finding("error", str(path), "size", what, f"{file.bytes:,} bytes", f"{size:,} bytes")
        elif (content := digest.of_file(path)) != file.digest:
            yield Finding("error", str(path), "digest", what, file.digest, content)
    except FileNotFoundError:
        yield Finding(lost, str(path), "missing", what, f"{file.bytes:,} bytes", "no such file")
    except OSError as error:
        yield Finding("error", str(path), "unreadable", what, f"{file.bytes:,} bytes", error.strerror or str(error))


def gc(store: Store, grace: float = DAY, *, delete: bool = False) -> dict[str, Any]:
    """Return what nothing names and is older than ``grace`` seconds, and clear it away if told to ``delete``.

    That are pieces of rows that no batch names, files of results that are not remembered, temporary folders, reservations
    of batches that were never committed, memories whose files are gone, and the files of versions of features that
    ``store.keep_features`` does not keep, whose records stay. May run beside anything else, as long as no
    batch takes longer than the grace to be read.

    Raises ``ConfigError`` for a catalog that knows nothing, where files are: it is not theirs. ``Corrupt`` for one that is
    damaged.

    Why nothing is lost that another process is about to name:

    - Files are listed first and the catalog is read afterwards: reservations, then batches, so that what is committed in
      between is in one or the other. What was named in between is seen to be named.
    - A batch is written under a reserved id, into a folder of its own. Reserving it once more makes the reservation young,
      and giving up one that is old is one step of the catalog: whoever comes later is given another id, and so another
      folder. Only then are the pieces removed. A young reservation keeps all that is in its folder, however old.
    - A result is written anew before it is remembered, which makes its file young: the age is looked at once more just before
      it is removed. Should that still be too late, the result counts as gone and is made anew.
    """
    now = time.time()
    with _opened(store) as (kept, catalog):
        found = [*found_files(kept.root, *_AREAS), *(kept.raw.found() if store.kind == "mongo" else ())]
        temporary = _temporary(kept.root, now, grace)
        problems = catalog.check()
        if problems:
            raise Corrupt("a damaged catalog does not say what may be removed", found=problems[0], hint="levada fsck")
        _refuse_a_stranger(catalog, found)
        stale = [one for one in catalog.reservations() if one.created < now - grace]
        if delete:
            stale = [one for one in stale if catalog.release(one.id, before=now - grace)]
        alive = {one.id for one in catalog.reservations()} - {one.id for one in stale}
        versions = catalog.features()
        runs = catalog.runs(_ALL)
        retired, waits = _retired(store, versions, runs, now - grace)
        given_up = {one.id for one in retired}
        left = {path for one in versions if one.retired is None and one.id not in given_up for path in one.paths}
        dropped = {path for one in retired for path in one.paths} - left
        batches, memories = catalog.batches(), list(catalog.remembered())
        pieces = {piece.path for batch in batches for part in batch.partitions for piece in part.pieces}
        live = _live(batches, alive)
        lost = [one for one in memories if not _is_there(one, kept, pieces, live) or not dropped.isdisjoint(_paths(one))]
        forgotten = {one.memo for one in lost}
        named = (
            pieces
            | left
            | _bundled(kept, runs)
            | {path for one in memories if one.memo not in forgotten for path in _paths(one)}
        )
        garbage = [one for one in found if one.age > grace and one.path not in named and _batch_of(one.path) not in alive]
        if delete:
            catalog.retire(given_up)
            catalog.forget(forgotten)
            garbage = [one for one in garbage if _remove(kept, one, grace)]
            for folder in temporary:
                files.remove_folder(kept.root / folder)
    return {
        "deleted": delete,
        "grace": grace,
        "files": [{"path": one.path, "bytes": one.bytes, "age": round(one.age)} for one in garbage],
        "bytes": sum(one.bytes for one in garbage),
        "temporary": temporary,
        "reservations": [{"id": one.id, "dataset": one.dataset} for one in stale],
        "memories": [{"label": one.label, "index": one.index} for one in lost],
        "features": [{"id": one.id, "view": one.view, "rows": one.rows, "bytes": one.bytes} for one in retired],
        "waits": waits,
    }


def _bundled(kept: ArtifactStore, runs: Sequence[RunRecord]) -> set[str]:
    """Return the files of the bundles that runs came to; one that is there no longer names none."""
    found = set[str]()
    for model in registered(runs).values():
        if model.is_there(kept):
            named = (one.file for one in model.manifest(kept).files())
            found |= {model.file.path, *(one.path for one in named if one is not None)}
    return found


def _retired(
    store: Store, versions: Sequence[FeatureVersion], runs: Sequence[RunRecord], before: float
) -> tuple[list[FeatureVersion], bool]:
    """Return the versions that the store's setting does not keep, and whether they must wait for a run to end.

    Kept in any case are the newest of a view, what is younger than the grace, and what the latest finished run of each
    pipeline used. A run that began within the grace may be reading any of them: then they all wait.
    """
    if store.keep_features is None:
        return [], False
    used = _in_use(runs)
    found = []
    for view in {one.view: None for one in versions}:
        own = [one for one in versions if one.view == view and one.retired is None]
        if isinstance(store.keep_features, int):
            old = own[: -store.keep_features]
        else:
            limit = time.time() - seconds_of(store.keep_features)
            old = [one for one in own[:-1] if one.created < limit]
        found += [one for one in old if one.id not in used and one.created < before]
    waits = any(run.status == "running" and run.started > before for run in runs)
    return ([], bool(found)) if waits else (found, False)


def _in_use(runs: Sequence[RunRecord]) -> set[str]:
    """Return the versions that the latest finished run of each pipeline used: of a sweep, that of its best trial."""
    latest: dict[str, str] = {}
    for run in sorted(runs, key=lambda run: -run.started):
        version = run.summary.get("features", {}).get("version")
        if run.status == "done" and version is not None:
            latest.setdefault(run.pipeline, version)
    return set(latest.values())


def _refuse_a_stranger(catalog: Catalog, found: Sequence[Found]) -> None:
    if found and not catalog.runs(1) and not catalog.batches() and not any(True for _ in catalog.remembered()):
        raise ConfigError(
            "this catalog knows nothing, and yet there are files",
            where="store",
            found=found[0].path,
            hint="is it the catalog of these files? if so, remove the folder yourself",
        )


@contextmanager
def _opened(store: Store) -> Iterator[tuple[ArtifactStore, Catalog]]:
    """Open a store that has verified nothing yet, and announce nothing."""
    catalog = open_catalog(store, look=True)
    try:
        uri = store.uri if store.kind == "mongo" else None
        yield ArtifactStore(Path(store.root).absolute(), uri, store.database), catalog
    finally:
        catalog.close()


def _paths(memory: Memory) -> list[str]:
    return [artifact.file.path for artifact in (memory.artifact, *memory.artifact.beside) if artifact.file is not None]


def _live(batches: Sequence[Batch], reserved: set[str]) -> set[str]:
    return {batch.id for batch in batches} | reserved


def _is_there(memory: Memory, kept: ArtifactStore, pieces: set[str], live: set[str]) -> bool:
    """Say whether a memory can still be of use: its files are there and, if they are rows of a batch, so is the batch."""
    owned = [_batch_of(path) for path in _paths(memory) if path not in pieces]
    return all(one is None or one in live for one in owned) and kept.holds(memory.artifact)


def _batch_of(path: str) -> str | None:
    """Return the id of the batch that a piece of rows is for, None for other files."""
    parts = path.removeprefix(IN_MONGODB).split("/")
    return parts[2].removeprefix("batch=") if parts[0] in ("raw", "quarantine") and len(parts) == 4 else None


def _temporary(root: Path, now: float, grace: float) -> list[str]:
    """Return the temporary folders in which nothing has happened for longer than the grace."""
    newest: dict[str, float] = {}
    for place, folders, names in os.walk(root / "tmp"):
        for one in (Path(place, name) for name in (*folders, *names)):
            with suppress(FileNotFoundError):  # it is somebody's who is done with it
                name = "/".join(one.relative_to(root).parts[:2])
                newest[name] = max(newest.get(name, 0.0), one.stat().st_mtime)
    return sorted(name for name, when in newest.items() if when < now - grace)


def _remove(kept: ArtifactStore, found: Found, grace: float) -> bool:
    """Remove a file or a piece; not a file that somebody wrote anew."""
    if found.path.startswith(IN_MONGODB):
        kept.raw.remove(found.path)
        return True
    path = kept.root / found.path
    try:
        if time.time() - path.stat().st_mtime <= grace:
            return False
    except FileNotFoundError:
        return False
    files.remove(path)
    if _batch_of(found.path) is not None:
        files.remove_if_empty(path.parent)
    return True


def seconds_of(text: str) -> float:
    """Return a duration that a person wrote: ``90s``, ``30m``, ``2h``, ``1d``. Raises ``ConfigError``."""
    try:
        return span(text.strip()).total_seconds()
    except ValueError as error:
        raise ConfigError(str(error)) from None

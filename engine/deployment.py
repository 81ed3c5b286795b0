"""Bundles of a store: which there are, how one is found by a name, aliases, and folders that need no store.

In: a store, and names as people write them. Out: bundles, or plain data.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from engine import digest
from engine.bundles import Bundle, Manifest
from engine.bundling import Registered, registered
from engine.config.spec import Store
from engine.errors import ConfigError, Corrupt, DataError, HostError, LevadaError, unknown
from engine.names import SafeName
from engine.opened import open_catalog
from engine.stores.aliases import Alias
from engine.stores.artifacts import Artifact, ArtifactStore, store_at
from engine.stores.catalog import Catalog

CHAMPION = "champion"
"""The alias that a pipeline's name alone means, where there is one."""

_FILE = "bundle.json"
_ALL = 1_000_000_000  # runs


def list_models(store: Store, pipeline: str | None = None) -> list[dict[str, Any]]:
    """Return the versions of bundles, of a pipeline or of all, newest last, as plain data. ``UnknownName`` for none.

    ``problem`` says why the manifest of one can not be read; what only it knows is None then.
    """
    with _looked_at(store) as (files, catalog):
        named = {(one.pipeline, one.name): one.version for one in catalog.aliases()}
        found = [_listed(files, one, named) for one in registered(catalog.runs(_ALL)).values()]
    if pipeline is not None and all(one["pipeline"] != pipeline for one in found):
        raise unknown("pipeline with a model", pipeline, {one["pipeline"] for one in found})
    wanted = [one for one in found if pipeline in (None, one["pipeline"])]
    return sorted(wanted, key=lambda one: (one["pipeline"], one["created"]))


def _listed(files: ArtifactStore, model: Registered, named: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    newest, oldest = model.runs[0], model.runs[-1]
    question, manifest, problem = newest.summary["question"], None, None
    try:
        manifest = model.manifest(files)
    except LevadaError as error:
        problem = error.what
    return {
        "id": model.id,
        "pipeline": model.pipeline,
        "aliases": sorted(name for (of, name), version in named.items() if (of, version) == (model.pipeline, model.id)),
        "model": newest.summary["model"]["use"],
        "metric": question["metric"],
        "answer": question["answer"],
        "part": question["part"],
        "metrics": newest.summary["metrics"],
        "features": None if manifest is None else len(manifest.features),
        "bytes": None if manifest is None else model.file.bytes + sum(one.bytes for one in manifest.files()),
        "created": datetime.fromtimestamp(oldest.started, UTC).isoformat(timespec="milliseconds"),
        "runs": [run.id for run in model.runs],
        "feature_version": newest.summary["features"]["version"],
        "versions": newest.summary["lineage"]["versions"],
        "problem": problem,
    }


def bundle(store: Store, name: str) -> Bundle:
    """Return the bundle that a name means.

    That is ``flights`` (its champion, else the newest), ``flights@champion``, ``flights@<version>``, the id of a version or
    a run or the beginning of one, or a folder that was exported.

    Raises ``UnknownName``, ``DataError`` for what several have, ``Corrupt`` for files that are not what was written.
    """
    if is_folder(name):
        return read_folder(Path(name))
    with _looked_at(store) as (files, catalog):
        return _find(catalog, name).bundle(files)


def is_folder(name: str) -> bool:
    """Say whether a name is that of a folder with a bundle in it."""
    return (Path(name) / _FILE).is_file()


def promote(store: Store, name: str, alias: str, *, expected: str | None = None) -> dict[str, Any]:
    """Let an alias of its pipeline mean a bundle, by compare-and-set, and return what it is then.

    ``expected`` is the version that it must mean now, ``none`` for none at all; by default what it means when this begins.
    Raises ``ConflictError`` when somebody else was first.
    """
    _check_alias(alias)
    with _looked_at(store) as (_, catalog):
        model = _find(catalog, name)
        pipeline = model.pipeline
        now = next((one.version for one in catalog.aliases(pipeline) if one.name == alias), None)
        before = now if expected is None else None if expected == "none" else _find(catalog, expected).id
        done = catalog.move_alias(Alias(pipeline=pipeline, name=alias, version=model.id, before=before))
    return done.model_dump()


def _check_alias(alias: str) -> None:
    try:
        TypeAdapter(SafeName).validate_python(alias)
    except ValidationError as error:
        raise ConfigError(f"'{alias}' can not be an alias", found=error.errors()[0]["msg"]) from None


def _find(catalog: Catalog, name: str) -> Registered:
    runs = catalog.runs(_ALL)
    found = registered(runs)
    pipeline, at, which = name.partition("@")
    own = {one: kept for one, kept in found.items() if any(run.pipeline == pipeline for run in kept.runs)}
    aliases = {one.name: one.version for one in catalog.aliases(pipeline)}
    if own and not at:
        chosen = aliases.get(CHAMPION, next(iter(own)))
    elif own and which in aliases:
        chosen = aliases[which]
    else:
        begun = which if at else name
        matching = [
            one
            for one, model in (own if at else found).items()
            if any(text.startswith(begun) for text in (one, *(run.id for run in model.runs)))
        ]
        if not matching or not begun:
            bare = next((run for run in runs if begun and run.id.startswith(begun)), None)
            if bare is not None:
                hint = "a run that ended well and has an answer has one: `levada runs` lists them"
                raise DataError(f"the run {bare.id} has no model", found=bare.status, hint=hint)
            if at and own:
                raise unknown(f"version or alias of {pipeline}", which, [*aliases, *own])
            raise unknown("model", name, [*{run.pipeline for model in found.values() for run in model.runs}, *found])
        if len(matching) > 1:
            raise DataError(
                f"{len(matching)} versions have an id that begins with '{begun}'", expected="one of " + ", ".join(matching[:12])
            )
        (chosen,) = matching
    if chosen not in found:
        raise DataError(f"the version {chosen} of {pipeline} is not in this store any more")
    return found[chosen]


def export(found: Bundle, folder: Path) -> Path:
    """Write a bundle as a folder that needs no store, and return it: every file, with its digest in ``bundle.json``.

    Raises ``ConfigError`` for a folder that is not empty; one that is written is there wholly or not at all.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not empty", hint="name a new folder")
    folder = folder.absolute()
    aside = folder.with_name(f".{folder.name}-{uuid4().hex[:8]}")
    try:
        aside.mkdir(parents=True)
        for artifact in found.manifest.files():
            assert artifact.file is not None, "a bundle names files"
            target = aside / artifact.file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found.store.path(artifact), target)
        manifest = found.manifest.model_copy(update={"past": _past(found, ArtifactStore(aside))})
        shutil.rmtree(aside / "tmp", ignore_errors=True)
        content = {"id": found.id, "manifest": manifest.model_dump(mode="json")}
        text = json.dumps({**content, "seal": digest.of_value(content)}, indent=1)
        (aside / _FILE).write_text(text, encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)
    except OSError as error:
        raise HostError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _past(found: Bundle, files: ArtifactStore) -> Any:
    """Write the rows that steps look back at into a folder as one file."""
    past = found.manifest.past
    if past is None:
        return None
    kept = files.write_frame(found.past().lazy(), "past", found.manifest.dataset)
    return past.model_copy(update={"rows": (kept.to_json(),), "time": None, "since": None})


def read_folder(folder: Path) -> Bundle:
    """Return the bundle in a folder that ``export`` wrote. Raises ``Corrupt`` for what is not what was written."""
    file = folder / _FILE
    try:
        content = json.loads(file.read_bytes())
        seal = content.pop("seal")
        manifest = Manifest.model_validate(content["manifest"])
        past = () if manifest.past is None else manifest.past.rows
        named = [*manifest.files(), *map(Artifact.from_json, past)]
        sound = seal == digest.of_value(content) and all(_is_within(one) for one in named)
    except OSError as error:
        raise HostError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
        sound = False
    if not sound:
        raise Corrupt(f"{file} is not what was written", hint="export the bundle again")
    return Bundle(content["id"], manifest, store_at(folder.absolute()))


def _is_within(artifact: Artifact) -> bool:
    """Say whether a file is below the folder that names it."""
    path = PurePosixPath(artifact.file.path if artifact.file is not None else "/")
    return not path.is_absolute() and ".." not in path.parts


@contextmanager
def _looked_at(store: Store) -> Iterator[tuple[ArtifactStore, Catalog]]:
    catalog = open_catalog(store, look=True)
    try:
        uri = store.uri if store.kind == "mongo" else None
        yield store_at(Path(store.root).absolute(), uri, store.database), catalog
    finally:
        catalog.close()

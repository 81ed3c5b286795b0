"""Small records of each kind, for tests of catalogs."""

from __future__ import annotations

from itertools import count

from engine.names import new_id
from engine.stores.artifacts import Artifact
from engine.stores.batches import Batch, BatchPartition, Piece, Reason
from engine.stores.catalog import Catalog, Event, Memory
from engine.stores.features import FeatureBatch, FeatureColumn, FeaturePartition, FeatureVersion, Step

CLOCK = count(1)


def memory(recipe: str = "r", contents: tuple[str, ...] = (), value: str = "1", label: str = "a", index: int = 0) -> Memory:
    return Memory(recipe, contents, Artifact(value), label, index, "code", "{}", "run", float(next(CLOCK)))


def committed(catalog: Catalog, one: Batch) -> Batch:
    catalog.reserve(one.dataset, one.fingerprint, one.id)
    return catalog.commit(one)


def batch(fingerprint: str = "f", dataset: str = "d", **more: object) -> Batch:
    partition = BatchPartition(
        number=0,
        source="a.csv",
        fingerprint=fingerprint,
        rows_in=10,
        loaded=Piece(path="raw/a.parquet", digest="x", bytes=100, rows=9),
        reasons=(Reason(check="not_null: a", rows=1, first=7, on_fail="quarantine"),),
        columns=(("a", "Int64"), ("b", ["List", "String"])),
    )
    return Batch(
        **{
            "id": new_id(),
            "dataset": dataset,
            "fingerprint": fingerprint,
            "definition": "x",
            "partitions": (partition,),
            **more,
        }
    )


def version(content: str = "c", view: str = "v", **more: object) -> FeatureVersion:
    piece = Piece(path=f"features/v/{content}.parquet", digest=content, bytes=100, rows=9)
    return FeatureVersion(
        **{
            "id": new_id(),
            "view": view,
            "definition": "x",
            "content": content,
            "key": ("a",),
            "time": "t",
            "steps": (Step(place="view.features.0", node={"use": "derive", "é": "a > 1"}),),
            "columns": (FeatureColumn(name="a", dtype=["List", "Int64"], raw=(("d", "a"),), steps=(0,)),),
            "partitions": (FeaturePartition(number=0, piece=piece, first=-1, last=2**62),),
            "batches": (FeatureBatch(dataset="d", id="b", sequence=1, created=1.5),),
            **more,
        }
    )


def event(identity: str, topic: str = "t", **payload: object) -> Event:
    return Event(identity, topic, "key", payload, 1.5)

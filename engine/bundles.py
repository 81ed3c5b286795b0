"""What is deployed: all that makes predictions of raw rows, as plain data and the files that it names.

In: a manifest and the folder that its paths begin at, a store or one that was exported. Out: predictions. The very functions
of the stages do the work, so rows come to what they would have come to in the run. Plugins are named, never imported from text.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from engine.casting import as_schema
from engine.errors import DataError, MissingColumn
from engine.plugin import PART, TARGET, Model
from engine.registry import build
from engine.schemas import schema_of
from engine.stages import encoding
from engine.stages.reading import microseconds
from engine.stages.shuffle import unscattered
from engine.stages.transform import apply_steps, conform
from engine.stages.work import explained
from engine.stores import models
from engine.stores.artifacts import Artifact, ArtifactStore
from engine.stores.batches import Record

ANSWERED = "row"
"""The column of predictions that holds the number of the row, from 1, in the frame that was given."""

NUMBER = PART
"""Under this name no step touches the numbers of rows, which ride along to the end."""


class Side(Record):
    """A dataset that is joined: its prepared rows, which are cut into buckets where the run joined them so."""

    dataset: str
    rows: tuple[str, ...]
    scattered: bool


class Past(Record):
    """The rows that steps look back at: of a time column since a time in microseconds since 1970, or all there were."""

    rows: tuple[str, ...]
    time: str | None = None
    since: int | None = None


class Need(Record):
    """A column of the dataset that must be there, and what is made of it."""

    column: str
    by: tuple[str, ...]


class Manifest(Record):
    """A bundle as plain data. Files are written as ``Artifact.to_json`` does, schemas as ``engine.schemas`` does.

    ``columns`` are those of the raw rows of ``dataset``, ``key`` what identifies one of them, ``needs`` those that features
    and the choice of rows come from. ``steps`` are preparation, joins (with the side that each numbers) and features in
    their order. ``features`` are what the model takes, in its order. ``results`` is what the run measured, ``made_of`` its
    batches.
    """

    format: int = 1
    pipeline: str
    dataset: str
    key: tuple[str, ...]
    problem: dict[str, Any]
    extract: dict[str, Any]
    columns: tuple[tuple[str, Any], ...]
    needs: tuple[Need, ...]
    steps: tuple[dict[str, Any], ...]
    sides: tuple[Side, ...]
    past: Past | None
    encode: tuple[dict[str, Any], ...]
    states: tuple[str, ...]
    model: dict[str, Any]
    fitted: str
    features: tuple[str, ...]
    results: dict[str, Any]
    feature_version: str | None
    made_of: tuple[dict[str, Any], ...]
    versions: dict[str, str]

    def files(self) -> list[Artifact]:
        """Return what it names besides earlier rows, each file once."""
        texts = dict.fromkeys([*(text for side in self.sides for text in side.rows), *self.states, self.fitted])
        return [Artifact.from_json(text) for text in texts]


@dataclass(frozen=True, repr=False)
class Bundle:
    """A fitted pipeline that predicts raw rows. Files are checked against their digests when they are first read.

    Several threads may predict with one bundle at a time.
    """

    id: str
    manifest: Manifest
    store: ArtifactStore

    def __repr__(self) -> str:
        own = self.manifest
        return f"<Bundle {self.id} of {own.pipeline}: {own.model['use']}, {len(own.features)} features>"

    def predict(self, frame: pl.DataFrame, *, history: pl.DataFrame | None = None) -> pl.DataFrame:
        """Return the predictions for rows as their source gives them: a row for each that preparation keeps, in order.

        Columns are ``row`` (UInt32, the number of the row in the frame, from 1), ``prediction`` and, where the model can say
        them, ``probability:<class>`` or ``score:<class>``. Rows that preparation leaves out have no prediction; a join with
        ``many`` gives one for each match. Columns that only the target is made of may be missing, more columns do no harm,
        and values are brought to the types of training. Rules (``expect``) are not applied.

        Steps that look back see the rows of the frame and those of ``history``, by default the last ones of training; of
        two rows of one key that of the frame counts. Without such steps ``history`` is not looked at.

        Raises ``MissingColumn`` for a column that is needed, and ``DataError`` for values of another type, with their rows.
        """
        view = self.view(frame, history=history)
        return pl.concat([view.select(pl.col(NUMBER).alias(ANSWERED)), self.answer(view)[1]], how="horizontal")

    def view(self, frame: pl.DataFrame, *, history: pl.DataFrame | None = None) -> pl.DataFrame:
        """Return the rows of the view that raw rows come to, each with its number in the column ``NUMBER``.

        Raises as ``predict`` does.
        """
        return self._view(self._rows(frame), history).filter(pl.col(NUMBER).is_not_null()).collect()

    def answer(self, view: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the encoded features of rows of the view, and what is predicted of them, row by row.

        Raises ``DataError`` for rows that can not be encoded, or that the model refuses.
        """
        names = encoding.features_in(view.schema, dict(self.manifest.problem))
        encoded = encoding.apply(view.lazy().select(names), self.manifest.encode, self._states)
        with explained("these rows can not be encoded"):
            features = encoded.select(self.manifest.features).collect()
        with explained(f"the model {self.manifest.model['use']} can not predict"):
            return features, self._model.predict(self._fitted, features)

    def _rows(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return rows with the columns and types of training."""
        for need in self.manifest.needs:
            if need.column not in frame.columns:
                raise MissingColumn(
                    f"the column '{need.column}' is missing",
                    where=f"rows of {self.manifest.dataset}",
                    expected="it, for " + ", ".join(need.by[:8]) + (" …" if len(need.by) > 8 else ""),
                    found=", ".join(frame.columns[:20]),
                )
        return as_schema(frame, schema_of(self.manifest.columns))

    def _view(self, rows: pl.DataFrame, history: pl.DataFrame | None) -> pl.LazyFrame:
        """Return the view's rows: numbered those of the frame, without a number those of their past."""
        frame = rows.with_row_index(NUMBER, offset=1).select(*rows.columns, NUMBER)
        if self.manifest.past is not None:
            past = self.past() if history is None else self._rows(history)
            same = self.manifest.key or rows.columns
            past = past.join(rows, on=same, how="anti", nulls_equal=not self.manifest.key)
            frame = pl.concat([past.with_columns(pl.lit(None, pl.UInt32).alias(NUMBER)), frame])
        view = frame.lazy()
        for number, node in enumerate(self.manifest.steps):
            view = apply_steps(view, [_without_rider(node, view)], self._sides, first=number + 1)
            if NUMBER not in view.collect_schema():
                raise DataError(
                    "a step leaves nothing that tells its rows apart, so that no prediction could be told whose it is",
                    where=f"step {number + 1} ({node.get('use', 'join')})",
                )
        return view

    def past(self) -> pl.DataFrame:
        """Return the rows of training that steps look back at, as they were ingested; none where no step does."""
        return self._past

    @cached_property
    def _past(self) -> pl.DataFrame:
        past = self.manifest.past
        if past is None:
            return schema_of(self.manifest.columns).to_frame()
        rows = conform(self.store.raw, [Artifact.from_json(text) for text in past.rows], self.manifest.columns)
        if past.time is not None and past.since is not None:
            rows = rows.filter(microseconds(pl.col(past.time)) >= past.since)
        return rows.collect()

    @cached_property
    def _sides(self) -> list[pl.LazyFrame]:
        return [self._side(side) for side in self.manifest.sides]

    def _side(self, side: Side) -> pl.LazyFrame:
        rows = pl.concat([self.store.scan(Artifact.from_json(text)) for text in side.rows], how="vertical")
        return (unscattered(rows) if side.scattered else rows).collect().lazy()

    @cached_property
    def _states(self) -> list[pl.DataFrame]:
        return [self.store.scan(Artifact.from_json(text)).collect() for text in self.manifest.states]

    @cached_property
    def _model(self) -> Model:
        model = build("model", self.manifest.model)
        assert isinstance(model, Model)  # the registry gives no other for this kind
        return model

    @cached_property
    def _fitted(self) -> Any:
        return models.load(self.store.path(Artifact.from_json(self.manifest.fitted)))


def _without_rider(node: dict[str, Any], view: pl.LazyFrame) -> dict[str, Any]:
    """Return a step that compares whole rows as one that compares all columns but the number of the row."""
    if node.get("use") == "deduplicate" and node["columns"] is None:
        return {**node, "columns": [name for name in view.collect_schema().names() if name not in (NUMBER, TARGET)]}
    return node

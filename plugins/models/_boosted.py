"""What the libraries of gradient boosting have in common: their estimators as models, stored in the library's own format."""

import inspect
import types
import typing
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, create_model

from engine.errors import DataError, LevadaError, NotInstalled
from engine.plugin import FitSummary, Model, TaskName
from plugins.models._matrix import matrix_of, refused
from plugins.models._numpydoc import explanations

Rows: TypeAlias = tuple[NDArray[np.float64], NDArray[Any]]
"""A matrix of features, and the target of each row: the number of a class, or a number."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a model is to learn from: rows, each with a weight if they weigh differently, and those held out to watch.

    ``before`` is the library's model that is to be continued, None to begin anew.
    """

    learned: Rows
    weights: NDArray[np.float64] | None
    watched: Rows | None
    before: Any


class Document:
    """A fitted model as its library writes it, which is data: to read it runs no code.

    ``classes`` are the classes in the order of their numbers, empty for regression; ``trees`` counts the rounds that stay.
    """

    def __init__(self, content: bytes, classes: list[str], trees: int) -> None:
        self.content, self.classes, self.trees = content, classes, trees


class Boosted(Model):
    """An estimator of a library of gradient boosting, with its parameters."""

    model_config = ConfigDict(ser_json_inf_nan="constants")
    library: ClassVar[str]

    early_stopping_rounds: int | None = Field(
        default=None,
        ge=1,
        description="Stop when that many rounds in a row did not make the held out rows better, and keep the best round. "
        "All rounds are fitted if null.",
    )
    validation_fraction: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="With early_stopping_rounds: the share of training rows that are held out to watch, drawn by lot.",
    )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by name: the class is made when it is asked for, and is no attribute of its module."""
        made = type(self)
        return _restored, (made.__module__, made.__name__, {name: getattr(self, name) for name in made.model_fields})

    def estimate(self, features: pl.DataFrame, target: pl.Series | None) -> Document:
        known = self._complete(target)
        classes = known.unique().sort().to_list() if self.task == "classification" else []
        if self.task == "classification" and len(classes) < 2:
            raise DataError(f"{type(self).__name__} needs two classes", found=f"only {classes[0]!r}" if classes else "no rows")
        return self._learn(features, known, classes, None)

    def update(self, fitted: Document, features: pl.DataFrame, target: pl.Series | None) -> Document:
        """Return the model with as many rounds more, or as early stopping leaves, which learn from these rows alone."""
        known = self._complete(target)
        strange = sorted(set(known.unique()) - set(fitted.classes)) if fitted.classes else []
        if strange:
            raise DataError(
                f"{type(self).__name__} can not learn of a class that it has never seen",
                expected="one of " + ", ".join(fitted.classes[:12]),
                found=", ".join(strange[:12]),
                hint="estimate it anew from all rows",
            )
        return self._learn(features, known, fitted.classes, type(self).read(fitted.content))

    def _complete(self, target: pl.Series | None) -> pl.Series:
        if target is None or target.null_count():
            raise DataError(
                f"{type(self).__name__} needs a target in every row", hint="expect it: {use: not_null, columns: [...]}"
            )
        return target

    def _learn(self, features: pl.DataFrame, target: pl.Series, classes: list[str], before: Any) -> Document:
        name = type(self).__name__
        matrix = matrix_of(name, features, missing=True)
        numbers = {label: number for number, label in enumerate(classes)}
        known = target.replace_strict(numbers, return_dtype=pl.Int32) if classes else target.cast(pl.Float64)
        learned, watched = self._held_out((matrix, known.to_numpy()))
        weights = None
        if before is not None and classes:
            learned, weights = _with_every_class(learned, len(classes))
        parameters = {name: value for name, value in self._parameters().items() if name not in Boosted.model_fields}
        try:
            content, trees = self._fit(self._with_numbers(parameters, numbers), Lesson(learned, weights, watched, before))
        except self._errors() as error:
            raise refused(f"{name} can not be estimated from these rows", features, error) from error
        return Document(content, classes, trees)

    def predict(self, fitted: Document, features: pl.DataFrame) -> pl.DataFrame:
        found = self._answers(fitted, matrix_of(type(self).__name__, features, missing=True))
        if self.task == "regression":
            return pl.DataFrame({"prediction": found}, schema={"prediction": pl.Float64})
        shares = np.column_stack([1 - found, found]) if found.ndim == 1 else found
        likeliest = np.array(fitted.classes, dtype=object)[shares.argmax(axis=1)].tolist()
        table = pl.DataFrame({"prediction": likeliest}, schema={"prediction": pl.String})
        return table.with_columns(
            pl.Series(f"probability:{label}", shares[:, place], dtype=pl.Float64) for place, label in enumerate(fitted.classes)
        )

    def summary(self, fitted: Document) -> FitSummary:
        """Return how many rounds there are in the model, after early stopping."""
        return FitSummary({"trees": fitted.trees})

    def _answers(self, fitted: Document, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return predicted numbers, or the chance of each class; of no rows, nothing, without asking the library."""
        if not len(matrix):
            return np.empty((0, len(fitted.classes)) if fitted.classes else 0)
        return np.asarray(self._ask(opened(type(self), fitted.content), matrix), dtype=np.float64)

    def _parameters(self) -> dict[str, Any]:
        return {field.alias or name: getattr(self, name) for name, field in type(self).model_fields.items()}

    def _with_numbers(self, parameters: dict[str, Any], numbers: Mapping[str, int]) -> dict[str, Any]:
        """Return the parameters with the weights of classes by their numbers, as the library knows them."""
        weights = parameters.get("class_weight")
        if not isinstance(weights, Mapping):
            return parameters
        named = {str(label).lower() if isinstance(label, bool) else str(label): weight for label, weight in weights.items()}
        return {**parameters, "class_weight": {number: named.get(label, 1.0) for label, number in numbers.items()}}

    def _held_out(self, rows: Rows) -> tuple[Rows, Rows | None]:
        """Return the rows to learn from and those to watch, each class in both where it has rows enough."""
        if self.early_stopping_rounds is None:
            return rows, None
        from sklearn.model_selection import train_test_split

        matrix, target = rows
        rare = self.task == "classification" and np.unique(target, return_counts=True)[1].min() < 2
        by = target if self.task == "classification" and not rare else None
        cut = train_test_split(matrix, target, test_size=self.validation_fraction, random_state=0, stratify=by)
        return (cut[0], cut[2]), (cut[1], cut[3])

    def _errors(self) -> tuple[type[Exception], ...]:
        """Return what the library raises when it refuses rows or parameters."""
        return (ValueError, TypeError, RuntimeError)

    @abstractmethod
    def _fit(self, parameters: Mapping[str, Any], lesson: Lesson) -> tuple[bytes, int]:
        """Return the fitted model in the library's format, and the number of its rounds."""

    @classmethod
    @abstractmethod
    def read(cls, content: bytes) -> Any:
        """Return the library's model of such bytes."""

    @abstractmethod
    def _ask(self, opened: Any, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a number for each row: the value, or the chance of the second class; of more classes, one for each."""


@lru_cache(maxsize=4)  # the importance of features asks the same model many times
def opened(made: type[Boosted], content: bytes) -> Any:
    return made.read(content)


def _with_every_class(rows: Rows, classes: int) -> tuple[Rows, NDArray[np.float64]]:
    """Return rows in which each class is there, and the weights of all: rows that were added for it weigh nothing.

    A library numbers the classes that it sees, and continues a model only if they are as many as before.
    """
    matrix, target = rows
    absent = np.setdiff1d(np.arange(classes), target)
    empty = np.full((len(absent), matrix.shape[1]), np.nan)
    weights = np.concatenate([np.ones(len(target)), np.zeros(len(absent))])
    return (np.vstack([matrix, empty]), np.concatenate([target, absent.astype(target.dtype)])), weights


@dataclass(frozen=True, eq=False)
class Family:
    """The estimators of a library as models, made of the parameters that their constructors take.

    ``kind`` is what has the library's own ways, ``page`` explains parameters, ``without`` names those that a configuration can
    not give, ``defaults`` those that Levada chooses otherwise, ``bases`` further classes of the library with parameters.
    """

    package: str
    kind: type[Boosted]
    tasks: Mapping[str, TaskName]
    page: str
    without: Collection[str]
    defaults: Mapping[str, Any]
    bases: Sequence[str] = ()
    _made: dict[str, type[Model]] = field(default_factory=dict, init=False)

    def names(self) -> list[str]:
        """Return the estimators' class names, none where the library is not installed."""
        return sorted(self.tasks) if find_spec(self.package) is not None else []

    def refusal(self, name: str) -> LevadaError | None:
        """Return why an estimator that there could be is none here: its library is not installed."""
        if find_spec(self.package) is not None:
            return None
        what = f"{self.package}.{name} needs {self.package}, which is not installed"
        return NotInstalled(what, hint=f"pip install 'levada[{self.package}]'")

    def plugin(self, name: str) -> type[Model]:
        """Return the model of an estimator's class name."""
        if name not in self._made:
            self._made[name] = self._model(name)
        return self._made[name]

    def _model(self, name: str) -> type[Model]:
        library = import_module(self.package)
        explained: dict[str, str] = {}
        fields: dict[str, Any] = {}
        for estimator in (getattr(library, one) for one in (name, *self.bases)):
            explained |= explanations(inspect.getdoc(estimator) or "")
            hints = typing.get_type_hints(estimator.__init__)
            for parameter in inspect.signature(estimator).parameters.values():
                own = parameter.name in Boosted.model_fields or parameter.name in fields or parameter.name in self.without
                if own or parameter.kind is inspect.Parameter.VAR_KEYWORD:
                    continue
                key = f"{parameter.name}_" if hasattr(Model, parameter.name) else parameter.name
                description = explained.get(parameter.name, f"See {self.page} for what it means.")
                default = self.defaults.get(parameter.name, parameter.default)
                kind = _plain(hints.get(parameter.name, Any))
                fields[key] = (kind, Field(default=default, description=f"{description} ({self.page})"))
        task = self.tasks[name]
        doc = (
            f"{self.kind.library}'s {name}, for {task}.\n\nParameters are the library's: {self.page}. It is seeded and runs in "
        )
        doc += "one thread unless told otherwise, so that equal rows give equal models."
        return _class(self.kind, name, task, doc, fields)


def _class(base: type[Boosted], name: str, task: TaskName, doc: str, fields: dict[str, Any]) -> type[Model]:
    model = create_model(name, __base__=base, __module__=base.__module__, __doc__=doc, **fields)
    model.task = task
    return model


def estimator_of(library: Any, model: "Boosted | type[Boosted]") -> Any:
    """Return the library's class that a model stands for."""
    return getattr(library, (model if isinstance(model, type) else type(model)).__name__)


def _plain(annotation: Any) -> Any:
    """Return a type that YAML can give, Any for one that it can not."""
    if annotation in (int, float, str, bool, type(None)):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = [_plain(part) for part in typing.get_args(annotation)]
        return Any if Any in parts else annotation
    return Any


def _restored(module: str, name: str, parameters: dict[str, Any]) -> Model:
    model: Model = import_module(module).plugin(name)(**parameters)
    return model

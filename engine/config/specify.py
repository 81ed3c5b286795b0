"""Makes a specification of plain data: plugins are built, and what can not go together is refused with its key.

In: the mappings and lists of a composed configuration. Out: a ``PipelineSpec``. No data is looked at.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from engine.config.spec import Dataset, Join, PipelineSpec, Problem, View
from engine.errors import ConfigError, Unsuitable, unknown
from engine.names import span
from engine.plugin import (
    FittedTransformer,
    Metric,
    Plugin,
    TaskName,
    Transformer,
)
from engine.registry import build, name_of
from engine.validate import Path, dotted, validated

METRICS: Mapping[TaskName, tuple[str, ...]] = {
    "classification": (
        "roc_auc",
        "accuracy",
        "balanced_accuracy",
        "f1",
        "precision",
        "recall",
        "average_precision",
        "log_loss",
    ),
    "regression": ("rmse", "mae", "r2", "median_absolute_error"),
    "clustering": ("silhouette", "davies_bouldin", "clusters", "adjusted_rand"),
}
"""What is measured when the configuration does not say; the first ranks candidates."""


def specify(raw: Mapping[str, Any]) -> PipelineSpec:
    """Return the specification that plain data describes. Raises ``ConfigError`` with the key's path."""
    values = dict(raw)
    problem = validated(Problem, _mapping(values.get("problem"), ("problem",)), ("problem",))
    values["problem"] = problem
    values["datasets"] = {
        name: _dataset(node, ("datasets", name)) for name, node in _mapping(values.get("datasets"), ("datasets",)).items()
    }
    values["view"] = _view(_mapping(values.get("view"), ("view",)), values["datasets"])
    values["encode"] = _encode(values.get("encode"))
    values["splitter"] = build("splitter", values.get("splitter"), ("splitter",))
    values["model"] = build("model", _with_costs(values.get("model"), problem), ("model",))
    values["metrics"] = _metrics(values.get("metrics"), problem)
    if values.get("tracker") is not None:
        values["tracker"] = build("tracker", values["tracker"], ("tracker",))
    spec = validated(PipelineSpec, values, ())
    _check_wiring(spec)
    return spec


def _dataset(node: object, path: Path) -> Dataset:
    values = _mapping(node, path)
    if "extract" in values:
        values["extract"] = build("extractor", values["extract"], (*path, "extract"))
    values["expect"] = _plugins("check", values.get("expect"), (*path, "expect"))
    values["prepare"] = _unfitted(values.get("prepare"), (*path, "prepare"))
    return validated(Dataset, values, path)


def _view(values: dict[str, Any], datasets: Mapping[str, Dataset]) -> View:
    values["features"] = _unfitted(values.get("features"), ("view", "features"))
    values["join"] = tuple(
        _join(_mapping(node, ("view", "join", number)), datasets, ("view", "join", number))
        for number, node in enumerate(_list(values.get("join"), ("view", "join")))
    )
    return validated(View, values, ("view",))


def _join(values: dict[str, Any], datasets: Mapping[str, Dataset], path: Path) -> Join:
    join = validated(Join, values, path)
    if join.time is None:
        for key in ("with_time", "tolerance", "known_after"):
            if values.get(key) is not None:
                hint = "time: the view's column of times makes it a join as of each row's time"
                raise ConfigError(f"'{key}' is for a join with a time", where=dotted((*path, key)), hint=hint)
        if not join.on:
            raise ConfigError("nothing says which rows belong together", where=dotted((*path, "on")), expected="columns")
        return join
    if join.many:
        hint = "remove one of them: as of a time there is one row at most"
        raise ConfigError("'many' and 'time' exclude each other", where=dotted((*path, "many")), hint=hint)
    if join.tolerance is not None and span(join.tolerance) < span(join.known_after):
        raise ConfigError(
            "no row can be known in time: when it is known it is older than it may be",
            where=dotted((*path, "tolerance")),
            expected=f"at least known_after, {join.known_after}",
            found=join.tolerance,
        )
    own = datasets[join.with_].time if join.with_ in datasets else None
    return join.model_copy(update={"with_time": join.with_time or own or join.time})


def _encode(node: object) -> tuple[Plugin, ...]:
    steps = _plugins("transformer", node, ("encode",))
    for number, step in enumerate(steps):
        if isinstance(step, Transformer) and (step.scope == "table" or name_of(type(step)) == "filter"):
            raise ConfigError(
                f"'{name_of(type(step))}' can not stand under encode: it changes which rows there are",
                where=dotted(("encode", number, "use")),
                hint="move it to datasets.<name>.prepare or view.features",
            )
    return steps


def _unfitted(node: object, path: Path) -> tuple[Plugin, ...]:
    steps = _plugins("transformer", node, path)
    for number, step in enumerate(steps):
        if isinstance(step, FittedTransformer):
            raise ConfigError(
                f"'{name_of(type(step))}' is fitted, and nothing fitted may stand under {path[-1]}: it would learn from rows "
                "that the model is tested on",
                where=dotted((*path, number, "use")),
                hint="move this step to encode, where it learns from training rows only",
            )
    return steps


def _metrics(node: object, problem: Problem) -> tuple[Plugin, ...]:
    """Return the metrics to measure, the ranking one first; by default the task's usual ones."""
    nodes = [_costed(one, problem) for one in _list(node, ("metrics",))]
    listed: dict[Path, Plugin] = {
        ("metrics", number): metric for number, metric in enumerate(_plugins("metric", nodes, ("metrics",)))
    }
    names = [] if listed else [*METRICS[problem.task], *(["cost"] if problem.costs else [])]
    usual = [build("metric", _costed(name, problem)) for name in names]
    if problem.metric is not None:
        listed = {("problem", "metric"): build("metric", _costed(problem.metric, problem), ("problem", "metric")), **listed}
    for place, metric in listed.items():
        if isinstance(metric, Metric) and problem.task not in metric.tasks:
            raise ConfigError(
                f"the metric '{name_of(type(metric))}' does not measure {problem.task}",
                where=dotted(place),
                expected="one of " + ", ".join(METRICS[problem.task]),
            )
    once: dict[type[Plugin], Plugin] = {}
    for metric in (*listed.values(), *usual):
        once.setdefault(type(metric), metric)
    return tuple(once.values())


def _costed(node: object, problem: Problem) -> object:
    """Return the node of a metric: if it is of costs and says none, with those of the problem."""
    use = node.get("use") if isinstance(node, dict) else node
    if use != "cost" or not problem.costs:
        return node
    return {"costs": problem.costs, **(node if isinstance(node, dict) else {"use": use})}


def _with_costs(node: object, problem: Problem) -> object:
    """Return the node of a model in which every metric that it goes by, and a model within, knows the costs."""
    if not isinstance(node, dict):
        return node
    return {key: _costed(value, problem) if key == "metric" else _with_costs(value, problem) for key, value in node.items()}


def _check_wiring(spec: PipelineSpec) -> None:
    """Check what only shows when the parts are seen together."""
    if spec.view.from_ not in spec.datasets:
        raise unknown("dataset", spec.view.from_, spec.datasets, where="view.from")
    for number, join in enumerate(spec.view.join):
        if join.with_ not in spec.datasets:
            raise unknown("dataset", join.with_, spec.datasets, where=dotted(("view", "join", number, "with")))
    _check_references(spec.datasets)
    _check_problem(spec)
    if spec.model.task != spec.problem.task:
        raise Unsuitable(
            f"the model '{name_of(type(spec.model))}' is for {spec.model.task}, the problem is {spec.problem.task}",
            where="model.use",
            hint=f"choose a model for {spec.problem.task}: `levada plugins model` lists them",
        )
    _check_wishes(spec)
    if spec.store.kind == "mongo" and spec.store.uri is None:
        hint = "store.uri=mongodb://127.0.0.1:27017, or uri: ${oc.env:NAME} where it has a password"
        raise ConfigError("a store in MongoDB needs its address", where="store.uri", hint=hint)
    if spec.executor.kind == "cluster":
        _check_address(spec.executor.address or "", insecure=spec.executor.insecure)


def _check_problem(spec: PipelineSpec) -> None:
    if spec.problem.target is None and spec.problem.task != "clustering":
        raise ConfigError(f"{spec.problem.task} needs a target", where="problem.target", expected="the column to predict")
    if not isinstance(spec.problem.features, str) and spec.problem.target in spec.problem.features:
        raise ConfigError(
            f"the target '{spec.problem.target}' is also a feature: the model would be given the answer",
            where="problem.features",
            hint=f"remove '{spec.problem.target}' from the features",
        )
    if spec.problem.costs and spec.problem.task != "classification":
        raise ConfigError("costs are of classes that are taken for others", where="problem.costs", hint="remove them")
    if spec.stability is not None and spec.problem.task != "clustering":
        raise ConfigError("the stability of groups is measured for clusterings", where="stability", hint="remove it")
    if spec.slices and spec.problem.task == "clustering":
        hint = "remove it: the report shows which rows each cluster has"
        raise ConfigError("a clustering predicts nothing that could be right in some rows only", where="slices", hint=hint)


def _check_wishes(spec: PipelineSpec) -> None:
    """Check that what a run is to do besides can be done for its problem."""
    if spec.stop_at_goal and spec.problem.goal is None:
        raise ConfigError("there is no goal to stop at", where="stop_at_goal", hint="set problem.goal")
    if spec.learning_curve and spec.problem.task == "clustering":
        hint = "learning_curve=false"
        raise ConfigError("groups have no learning curve: there is no answer to learn", where="learning_curve", hint=hint)


def _check_references(datasets: Mapping[str, Dataset]) -> None:
    for name, dataset in datasets.items():
        for number, check in dataset.dataset_checks.items():
            other = check.refers_to()
            if other is not None and other[0] not in datasets:
                raise unknown("dataset", other[0], datasets, where=dotted(("datasets", name, "expect", number, "dataset")))


def _check_address(address: str, *, insecure: bool) -> None:
    """Refuse what is no address, and to send work in clear text to another machine unless told to."""
    parts = urlsplit(address)
    if parts.scheme not in ("tcp", "tls") or not parts.hostname:
        raise ConfigError(
            "a cluster needs the address of its scheduler",
            where="executor.address",
            expected="tcp://host:port or tls://host:port",
            found=address,
        )
    if parts.scheme == "tcp" and not insecure and not _is_loopback(parts.hostname):
        raise ConfigError(
            f"{address} would send tasks and results unencrypted to another machine",
            where="executor.address",
            expected="tls://, with certificates in Dask's own configuration",
            hint="executor.insecure=true allows it on a network that you trust",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _plugins(kind: str, node: object, path: Path) -> tuple[Plugin, ...]:
    return tuple(build(kind, item, (*path, number)) for number, item in enumerate(_list(node, path)))


def _mapping(node: object, path: Path) -> dict[str, Any]:
    if not isinstance(node, dict):
        what = f"the key '{path[-1]}' is missing" if node is None else f"wrong value for '{path[-1]}'"
        raise ConfigError(what, where=dotted(path), expected="a mapping", found="" if node is None else repr(node)[:80])
    return dict(node)


def _list(node: object, path: Path) -> list[Any]:
    if node is None:
        return []
    if not isinstance(node, list):
        raise ConfigError(f"wrong value for '{path[-1]}'", where=dotted(path), expected="a list", found=repr(node)[:80])
    return node

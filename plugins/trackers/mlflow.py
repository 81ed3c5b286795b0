"""MLflow as a tracker: what runs came to, beside what other tools log there."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pydantic import Field, model_validator

from engine.errors import HostError
from engine.names import Secret
from engine.plugin import RunSummary, Tracker

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ID = "levada.run_id"
_NAME, _VALUE = 250, 5_000  # characters that MLflow takes
_AT_ONCE = 100  # parameters, tags or metrics in one request
_UNFIT = re.compile(r"[^\w\-. :]")


class Mlflow(Tracker):
    """Log each run to MLflow: to a server, or to a database or a folder of this machine."""

    uri: Secret = Field(
        description="Where MLflow keeps runs: `http://host:5000`, `sqlite:///mlflow.db`, or a folder. A server's user and "
        "password are best left to MLflow's own variables MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
    )
    experiment: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="The experiment that runs belong to; it is made if it is not there. null: the pipeline's name.",
    )
    timeout: float = Field(
        default=10.0,
        ge=1,
        description="Seconds after which a server that does not answer is given up. Raise it for one that is slow or far away.",
    )

    @model_validator(mode="after")
    def _is_installed(self) -> Mlflow:
        if find_spec("mlflow") is None:
            raise ValueError("the tracker mlflow needs MLflow, which is not installed: pip install 'levada[mlflow]'")
        return self

    def track(self, run: RunSummary) -> str:
        """Log a run, and the trials of a sweep as its children. A run that is there already is told more."""
        with _environment(self.timeout), self._explained():
            from mlflow import MlflowClient

            client = MlflowClient(tracking_uri=self.uri.get_secret_value())
            name = self.experiment or run.pipeline
            experiment = _experiment(client, name)
            identity = _log(client, experiment, run, None)
            for trial in run.trials:
                _log(client, experiment, trial, identity)
        if (base := self._shown()).startswith("http"):
            return f"{base.rstrip('/')}/#/experiments/{experiment}/runs/{identity}"
        return f"{base}, experiment {name}, run {identity}"

    def _shown(self) -> str:
        """Return the address without user and password."""
        address = self.uri.get_secret_value()
        who, at, _ = urlsplit(address).netloc.rpartition("@")
        return address.replace(who + at, "", 1)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what MLflow raises, or a driver below it, into words that hold no password."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  MLflow lets everything through that its stores and transports raise
            said = " ".join(str(error).split()).replace(self.uri.get_secret_value(), self._shown())
            secret = urlsplit(self.uri.get_secret_value()).password or ""
            for shown in filter(None, (secret, unquote(secret))):
                said = said.replace(shown, "***")
            raise HostError(
                "MLflow did not take the run",
                where=f"tracker.uri: {self._shown()}",
                found=f"{type(error).__name__}: {said[:400]}",
                hint="once it answers, run the same command again: what is done is not done anew, and it is tracked",
            ) from None


def _experiment(client: MlflowClient, name: str) -> str:
    """Return the id of an experiment, which is made if nobody has."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another process may have been first
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise ValueError(f"the experiment {name} is deleted there: restore it, or set tracker.experiment to another name")
    return str(found.experiment_id)


def _log(client: MlflowClient, experiment: str, run: RunSummary, parent: str | None) -> str:
    """Log a run and return MLflow's id of it. Files come last: should they be refused, the rest is there."""
    from mlflow.entities import Metric, Param, RunTag

    known = client.search_runs([experiment], f"tags.`{_ID}` = '{run.id}'", max_results=1)
    told = {_ID: run.id, "levada.pipeline": run.pipeline, **{f"levada.{name}": text for name, text in run.tags.items()}}
    told |= {"mlflow.source.name": "levada", "mlflow.source.type": "PROJECT"}
    told |= {"levada.message": run.message} if run.message else {}
    told |= {"mlflow.parentRunId": parent} if parent is not None else {}
    tags = [RunTag(name, value) for name, value in _fit(told).items()]
    ended = round(run.ended * 1_000)
    if known:
        identity = str(known[0].info.run_id)
        parameters = []  # MLflow lets none change
    else:
        identity = str(client.create_run(experiment, round(run.started * 1_000), {}, run.name[:_NAME]).info.run_id)
        parameters = [Param(name, value) for name, value in _fit(run.parameters).items()]
    metrics = [Metric(_name(name), value, ended, 0) for name, value in run.metrics.items()]
    for first in range(0, max(len(tags), len(parameters), len(metrics)), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        client.log_batch(identity, metrics[some], parameters[some], tags[some])
    client.set_terminated(identity, "FINISHED" if run.status == "done" else "FAILED", ended)
    if run.folder is not None:
        client.log_artifacts(identity, str(run.folder))
    return identity


def _fit(texts: Mapping[str, str]) -> dict[str, str]:
    """Return texts by names as MLflow takes them: of its letters, and no longer than it allows."""
    return {_name(name): text if len(text) <= _VALUE else f"{text[: _VALUE - 2]} …" for name, text in texts.items()}


def _name(name: str) -> str:
    return _UNFIT.sub("_", name)[:_NAME]


@contextmanager
def _environment(timeout: float) -> Iterator[None]:
    """Let MLflow wait no longer than told, print nothing of its own and send nothing elsewhere; what the user has set stays."""
    wanted: dict[str, Any] = {
        "MLFLOW_HTTP_REQUEST_TIMEOUT": max(1, round(timeout)),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": 1,  # by default it goes on for minutes
        "MLFLOW_ALLOW_FILE_STORE": "true",  # the user has named the folder
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_LOGGING_LEVEL": "ERROR",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    own = {name: str(value) for name, value in wanted.items() if name not in os.environ}
    os.environ.update(own)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries that MLflow uses, which the user can do nothing about
            yield
    finally:
        for name in own:
            os.environ.pop(name, None)

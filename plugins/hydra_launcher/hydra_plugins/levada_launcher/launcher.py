"""The launcher behind ``levada -m``: Hydra's trials become one graph, and each still gets its folder and ``JobReturn``.

The task's dummy joins a sweep that has none, as the baseline: it is no trial of Hydra's, so sweepers do not see it.
A task function that is not Levada's runs as with Hydra's basic launcher.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from engine.candidates import repeats
from engine.names import new_id

_DUMMIES = {"classification": "dummy", "regression": "dummy_regressor"}  # options of the group model; clusters have none
_OF_MODEL = re.compile(r"[+~]*model\b")


@dataclass
class LevadaLauncherConf:
    """The configuration that ``hydra/launcher: levada`` stands for."""

    _target_: str = "hydra_plugins.levada_launcher.launcher.LevadaLauncher"
    baseline: bool = True  # whether a trial of the task's dummy joins a sweep that has none


ConfigStore.instance().store(group="hydra/launcher", name="levada", node=LevadaLauncherConf, provider="levada_launcher")


class _Composer(ConfigLoaderImpl):
    """Hydra's loader, which keeps the configurations that a sweeper composes to see whether all of its trials are legal.

    The launcher would compose each of them once more, which is most of the time before the first task of a large sweep.
    """

    def __init__(self, search_path: ConfigSearchPath) -> None:
        super().__init__(search_path)
        self._kept: dict[tuple[str, ...], DictConfig] = {}

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        config = super().load_sweep_config(master_config, sweep_overrides)
        self._kept[tuple(sweep_overrides)] = config
        return config

    def take(self, master_config: DictConfig, overrides: Sequence[str]) -> DictConfig:
        """Return the configuration of a trial, for this trial alone: another with these overrides is composed anew."""
        kept = self._kept.pop(tuple(overrides), None)
        return kept if kept is not None else super().load_sweep_config(master_config, list(overrides))


class LevadaLauncher(BasicLauncher):
    """Runs all trials of a multirun as the union of their graphs, then reports each to Hydra by itself."""

    def __init__(self, *, baseline: bool = True) -> None:
        super().__init__()
        self.baseline = baseline
        self._identity = new_id()  # one launcher runs all rounds of a sweep

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._composer = hydra_context.config_loader = _Composer(hydra_context.config_loader.get_search_path())
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the trials; a trial's ``JobReturn`` has its metric, or its error."""
        from engine.cli import commands

        if self.task_function is not commands.task:
            return super().launch(job_overrides, initial_job_idx)
        if self.config is None or self.hydra_context is None:
            raise RuntimeError("Hydra calls setup before launch")
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        configs = [self._config(overrides, number) for number, overrides in enumerate(job_overrides, initial_job_idx)]
        folder = Path(str(self.config.hydra.sweep.dir))
        all_at_once = "BasicSweeper" in str(self.config.hydra.sweeper._target_) and not self.config.hydra.sweeper.max_batch_size
        beside = self._baseline(configs, job_overrides) if self.baseline and initial_job_idx == 0 else []
        sweep = commands.sweep(configs, beside, folder, final=all_at_once, identity=self._identity)
        return [self._report(config, sweep) for config in configs]

    def _baseline(self, configs: Sequence[DictConfig], job_overrides: Sequence[Sequence[str]]) -> list[DictConfig]:
        """Return trials of the task's dummy with what all trials were told; none where a dummy is among them.

        There is one for each division of the rows that is swept over. Another group that is, such as ``splitter=a,b``, has its
        first option; another value, its default.
        """
        dummy = _DUMMIES.get(OmegaConf.select(configs[0], "problem.task"))
        used = {str(OmegaConf.select(config, "model.use", default="")) for config in configs}
        if dummy is None or any("dummy" in name.lower() for name in used):
            return []
        told = [one for one in job_overrides[0] if _OF_MODEL.match(one) is None and not repeats([one])]
        shared = [one for one in told if "." not in one.partition("=")[0] or all(one in each for each in job_overrides)]
        divisions = dict.fromkeys(repeats(overrides) for overrides in job_overrides)
        return [
            self._config([*shared, *divided, f"model={dummy}"], number)
            for number, divided in enumerate(divisions, len(configs))
        ]

    def _config(self, overrides: Sequence[str], number: int) -> DictConfig:
        config = self._composer.take(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = number
            config.hydra.job.num = number
        return config

    def _report(self, config: DictConfig, sweep: object) -> JobReturn:
        """Let Hydra make a trial's folder and call its callbacks around the result that is already there."""
        from engine.cli import commands

        def answer(_config: DictConfig) -> float | None:
            return commands.answer(sweep, HydraConfig.get())

        return run_job(
            hydra_context=self.hydra_context,  # type: ignore[arg-type]  # checked in launch
            task_function=answer,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )

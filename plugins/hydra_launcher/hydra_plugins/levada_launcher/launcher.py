"""The launcher behind ``levada -m``: Hydra's trials become one graph, and each still gets its folder and ``JobReturn``.

A task function that is not Levada's runs as with Hydra's basic launcher.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from omegaconf import DictConfig, open_dict


@dataclass
class LevadaLauncherConf:
    """The configuration that ``hydra/launcher: levada`` stands for."""

    _target_: str = "hydra_plugins.levada_launcher.launcher.LevadaLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="levada", node=LevadaLauncherConf, provider="levada_launcher")


class LevadaLauncher(BasicLauncher):
    """Runs all trials of a multirun as the union of their graphs, then reports each to Hydra by itself."""

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
        sweep = commands.sweep(configs, folder, final=all_at_once)
        return [self._report(config, sweep) for config in configs]

    def _config(self, overrides: Sequence[str], number: int) -> DictConfig:
        config = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))  # type: ignore[union-attr]  # checked in launch
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

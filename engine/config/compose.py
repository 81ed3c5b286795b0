"""Lets Hydra compose the YAML, and turns the result into a specification. The only room of Hydra but for the faces.

In: overrides and folders. Out: a ``PipelineSpec`` and the ``Origin`` that says where each key was written.
After this room nobody sees a ``DictConfig``.
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import yaml
from hydra import compose, initialize_config_module
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.sources_registry import SourcesRegistry  # no public way to replace a source, see _CheckedFiles
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, OverrideParseException
from hydra.plugins.config_source import ConfigResult
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from engine.config.interpolation import scan_interpolations
from engine.config.locate import Origin, short
from engine.config.safety import refuse_code, scan, scan_override
from engine.config.spec import PipelineSpec, Store
from engine.config.specify import specify
from engine.errors import ConfigError, nearest, unknown
from engine.registry import use_folder
from engine.validate import validated

_OURS = Path(str(importlib.resources.files("conf")))


class _CheckedFiles(FileConfigSource):
    """Hydra's source of files, which looks at the raw text before YAML makes anything of it."""

    def load_config(self, config_path: str) -> ConfigResult:
        file = Path(self.path) / self._normalize_file_name(config_path)
        if file.is_file():
            try:
                text = file.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise ConfigError("this file is not UTF-8", where=short(file), found=f"byte {error.start}") from None
            scan(text, short(file))
            _check_header(text, short(file))
        return super().load_config(config_path)


# Hydra registers its own source again when its state is set anew, as some launchers do, and tells classes apart by their names.
_CheckedFiles.__name__ = FileConfigSource.__name__


def _check_header(text: str, file: str) -> None:
    """Refuse a ``# @package`` that Hydra would take for a comment, because something stands before it."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"#\s*@package\b", line):
            if number > 1:
                hint = "move this line to the top"
                raise ConfigError("'# @package' counts only in the first line of a file", where=f"{file}:{number}", hint=hint)
            return


class _UserFolders(SearchPathPlugin):
    """Puts the user's own folders of YAML before ours, so that a file of theirs wins over one of ours with its name."""

    folders: ClassVar[Sequence[Path]] = ()  # the strongest last; Hydra makes the instances, so it is told through the class

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for folder in self.folders:
            search_path.prepend("user", f"file://{folder}")


def prepare_hydra(overrides: Sequence[str], config_dir: str | None = None) -> None:
    """Make Hydra safe and find the user's plugins. Called by every face before it lets Hydra do anything."""
    for override in overrides:
        scan_override(override)
    registry = Plugins.instance()
    if _UserFolders not in registry.discover(SearchPathPlugin):
        registry.register(_UserFolders)
    SourcesRegistry.instance().types["file"] = _CheckedFiles
    use_folder(Path.cwd())
    here = Path.cwd() / "conf"
    folders = [here] if here.is_dir() and not here.samefile(_OURS) else []
    if config_dir is not None:
        given = Path(config_dir).resolve()
        if not given.is_dir():
            raise ConfigError(f"there is no folder {config_dir}", where=f"command line: --config-dir {config_dir}")
        use_folder(given.parent)
        folders.append(given)
    _UserFolders.folders = folders


def lenient(override: str) -> str:
    """Return an override of a nested key such that it may also add the key: ``model.max_depth=3`` as ``++model.max_depth=3``.

    Hydra refuses a key that no file has, though the plugin knows it. What nobody knows is refused when the plugin is
    built, and by a better message.
    """
    return f"++{override}" if _NESTED.match(override) and not override.startswith("hydra.") else override


_NESTED = re.compile(r"[A-Za-z_]\w*(\.\w+)+=")


def load(overrides: Sequence[str] = (), config_dir: str | None = None) -> PipelineSpec:
    """Return the pipeline that overrides describe: ``load(["pipeline=penguins", "splitter.seed=3"])``.

    ``config_dir`` is a folder of YAML files that goes before ours, like ``--config-dir``. Raises ``ConfigError``.
    """
    config = _composed(overrides, config_dir)
    return specify_config(config, config.hydra)


def load_store(overrides: Sequence[str] = (), config_dir: str | None = None) -> Store:
    """Return the store that a configuration names, without looking at the rest of it."""
    config = _composed(overrides, config_dir)
    with _origin(config.hydra).placed(), translated():
        return validated(Store, _with_text_keys(OmegaConf.to_container(config.store, resolve=True)), ("store",))


def _composed(overrides: Sequence[str], config_dir: str | None) -> DictConfig:
    """Return what Hydra makes of overrides and folders, its own part included."""
    prepare_hydra(overrides, config_dir)
    with _hydra(), translated():
        return compose("config", [lenient(override) for override in overrides], return_hydra_config=True)


def specify_config(config: DictConfig, hydra: DictConfig) -> PipelineSpec:
    """Return the specification of a composed configuration; errors name the file and line of the key."""
    origin = _origin(hydra)
    with origin.placed():
        with translated():
            plain = _plain(config)
        name = dict(origin.choices).get("pipeline", "pipeline")
        return specify({"name": name, **plain, "origin": origin})


def _plain(config: DictConfig) -> dict[str, Any]:
    """Return the resolved configuration as plain data, without Hydra's own part."""
    raw = OmegaConf.to_container(config, resolve=False)
    if not isinstance(raw, dict):
        raise ConfigError("the configuration is not a mapping")
    raw.pop("hydra", None)
    scan_interpolations(raw)
    own = OmegaConf.masked_copy(config, [str(key) for key in raw])
    plain: dict[str, Any] = _with_text_keys(OmegaConf.to_container(own, resolve=True, throw_on_missing=True))
    refuse_code(plain)  # again, because a resolver may have made what was not there before
    return plain


def _with_text_keys(node: Any) -> Any:
    """Return plain data whose keys are all text.

    YAML 1.1 reads the bare keys ``on`` and ``true`` alike. Among other keys it is ``on``, as in a join on columns; where there
    are no other keys they are classes, as in weights of ``{true: 10, false: 1}``.
    """
    if isinstance(node, dict):
        words = ("true", "false") if all(isinstance(key, bool) for key in node) else ("on", "off")
        return {(words[not key] if isinstance(key, bool) else str(key)): _with_text_keys(value) for key, value in node.items()}
    return [_with_text_keys(item) for item in node] if isinstance(node, list) else node


def _origin(hydra: DictConfig) -> Origin:
    choices = tuple((group, str(option)) for group, option in hydra.runtime.choices.items() if not group.startswith("hydra"))
    sources = [source for source in hydra.runtime.config_sources if source.schema == "file"]
    folders = (*(Path(source.path) for source in sources), _OURS)
    return Origin(choices, folders, tuple(override.removeprefix("++") for override in hydra.overrides.task))


@contextmanager
def _hydra() -> Iterator[None]:
    """Initialize Hydra's compose API, and put back what was there before (a notebook may use Hydra itself)."""
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_module("conf", version_base="1.3", job_name="levada"):
            yield
    finally:
        GlobalHydra.instance().hydra = before


@contextmanager
def translated() -> Iterator[None]:
    """Turn what Hydra, OmegaConf and their YAML parser raise into ``ConfigError``."""
    try:
        yield
    except OverrideParseException as error:
        first = str(error).split("\n")[0]
        where = f"command line: {str(error.override).removeprefix('++')}"
        raise ConfigError(f"this override can not be read: {first}", where=where) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{short(Path(mark.name))}:{mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"this is not YAML: {error.problem}", where=where) from None
    except MissingMandatoryValue as error:
        key = str(error.full_key)
        raise ConfigError(f"the key '{key.rsplit('.', 1)[-1]}' has no value yet", where=key, hint=f"add {key}=…") from None
    except (HydraException, OmegaConfBaseException) as error:
        raise _explained(str(error).strip(), str(getattr(error, "full_key", None) or "")) from None
    except ValueError as error:  # what Hydra raises for a group that is given null, or a mapping
        if not str(error).startswith("Config group override"):
            raise
        hint = "model=ridge chooses one, and tracker=none goes without a tracker"
        raise ConfigError("a group takes one of its options, by name", hint=hint) from None


def _explained(text: str, key: str) -> ConfigError:
    """Say what a message of Hydra's or OmegaConf's means for whoever wrote the override."""
    if choice := re.search(r"Could not find '(?:(.+)/)?([^/']+)'", text):
        group, option = choice[1] or "", choice[2]
        options = re.findall(r"^\s+([\w./-]+)$", text, re.MULTILINE)
        return unknown(group or "configuration", option, options, where=f"{group}={option}")
    if override := re.match(r"Could not override '(.+?)'", text):
        name = override[1]
        near = nearest(name, ["pipeline", *(key for key, info in PipelineSpec.model_fields.items() if not info.exclude)])
        hint = f"did you mean '{near}'?" if near else "add --cfg job to see the keys that there are"
        return ConfigError(f"unknown key '{name}'", where=f"command line: {name}=…", hint=hint)
    first, *rest = text.split("\n")
    return ConfigError(first, where=key, found="; ".join(line.strip() for line in rest[:3] if line.strip()))

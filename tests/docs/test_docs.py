"""The documentation says what there is: plugins, commands and options are in it, its links lead somewhere, its examples run."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from engine.cli import COMMANDS
from engine.registry import KINDS, find, names

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE_NAME = re.compile(r"^# ([\w./-]+\.(?:yaml|py))$")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_OUR_PATH = re.compile(r"`((?:engine|plugins|conf|tests|benchmarks|docs|data)/[\w./-]+)`")


@cache
def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def spaced(text: str) -> str:
    """Return a text in one line, with the code marks of Markdown."""
    return " ".join(text.replace("``", "`").split())


def first_sentence(doc: str) -> str:
    """Return what ends with the first full stop before a space or the end of the paragraph."""
    paragraph = spaced(inspect.cleandoc(doc).split("\n\n")[0])
    ended = re.match(r".*?\.(?=\s|$)", paragraph)
    return ended[0] if ended else paragraph


def plain_plugins() -> list[tuple[str, str]]:
    """Return kind and name of every plugin that is no member of a family."""
    return [(kind, name) for kind in KINDS for name in names(kind) if "." not in name]


def section(text: str, heading: str) -> str:
    """Return what stands below a heading until the next one of its level or above; empty when there is none."""
    level = len(heading.partition(" ")[0])
    found = re.search(rf"^{re.escape(heading)}$\n(.*?)(?=^#{{1,{level}}} |\Z)", text, re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


def blocks(name: str) -> Iterator[tuple[str, str]]:
    """Yield language and text of the fenced blocks of a page."""
    yield from _FENCE.findall(page(name))


def files(*pages: str) -> dict[str, str]:
    """Return the files that the fenced blocks of pages show: those whose first or second line is the file's name."""
    found = {}
    for name in pages:
        for _, text in blocks(name):
            for line in text.split("\n")[:2]:
                if named := _FILE_NAME.match(line):
                    found[named[1]] = text
    return found


@pytest.mark.parametrize(("kind", "name"), plain_plugins(), ids=lambda part: part)
def test_every_plugin_is_in_the_reference_with_its_first_sentence_and_its_parameters(kind, name):
    plugin = find(kind, name)
    text = section(section(page("docs/plugins.md"), f"## {kind.capitalize()}s"), f"### `{name}`")
    assert text, f"docs/plugins.md has no section for the {kind} {name}"
    assert first_sentence(plugin.__doc__ or "") in spaced(text)
    parameters = [info.alias or field for field, info in plugin.model_fields.items()]
    missing = [parameter for parameter in parameters if f"| `{parameter}` |" not in text]
    assert not missing, f"docs/plugins.md does not explain {', '.join(missing)} of the {kind} {name}"


def test_the_reference_describes_no_plugin_that_is_not_there():
    for kind in KINDS:
        described = re.findall(r"^### `([\w.*]+)`$", section(page("docs/plugins.md"), f"## {kind.capitalize()}s"), re.MULTILINE)
        assert [name for name in described if "." not in name and name not in names(kind)] == []


def test_every_family_and_its_members_are_in_the_reference():
    for kind in KINDS:
        members = [name for name in names(kind) if "." in name]
        for family in {name.partition(".")[0] for name in members}:
            text = section(section(page("docs/plugins.md"), f"## {kind.capitalize()}s"), f"### `{family}.*`")
            assert text, f"docs/plugins.md has no section for the family {family}"
            words = set(re.findall(r"\w+", text))
            own = [name.partition(".")[2] for name in members if name.startswith(f"{family}.")]
            assert [name for name in own if name not in words] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_section(command):
    assert section(page("docs/command-line.md"), f"## `levada {command}`"), f"nothing is said of `levada {command}`"


def test_every_option_of_every_config_group_is_mentioned():
    text = "\n".join(file.read_text(encoding="utf-8") for file in PAGES)
    options = [(file.parent.name, file.stem) for file in sorted((ROOT / "conf").glob("*/*.yaml"))]
    assert len(options) > 20
    assert [f"{group}={option}" for group, option in options if not re.search(rf"`(?:{group}=)?{option}`", text)] == []


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_relative_links_lead_somewhere(file):
    dead = []
    for target in _LINK.findall(file.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        there = (file.parent / path) if path else file
        if not re.match(r"[a-z]+:", target) and not (there.exists() and (not anchor or anchor in anchors(there))):
            dead.append(target)
    assert not dead, f"{file.name} links to what is not there: {', '.join(dead)}"


def anchors(file: Path) -> set[str]:
    """Return the anchors that a renderer of Markdown makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/design.md"])
def test_paths_of_this_repository_that_are_named_exist(name):
    assert sorted(path for path in set(_OUR_PATH.findall(page(name))) if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_every_page_is_reached_from_the_map(file):
    if file.parent == DOCS and file.name != "index.md":
        assert f"]({file.name})" in page("docs/index.md")


def test_the_pipeline_that_the_readme_explains_is_the_one_that_runs():
    pipeline = page("conf/pipeline/flights.yaml")
    pieces = [text for language, text in blocks("README.md") if language == "yaml"]
    assert [piece for piece in pieces if piece not in pipeline] == []
    rest = pipeline
    for piece in pieces:
        rest = rest.replace(piece, "", 1)
    assert not rest.strip(), f"the README does not show all of conf/pipeline/flights.yaml:\n{rest}"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Make, in an empty folder, the files of the pages on pipelines, plugins and tracking, and the data."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in files("docs/pipelines.md", "docs/plugins.md", "docs/tracking.md").items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    subprocess.run([sys.executable, "make_parcels.py"], cwd=folder, check=True, timeout=20)
    return folder


@pytest.fixture
def levada(project, nursery) -> Callable[..., str]:
    """Return what runs the command in the project, must succeed, and gives what it printed."""

    def levada(*arguments: str) -> str:
        ended = nursery.one(folder=str(project), do="cli", arguments=arguments)
        assert ended.code == 0, ended.said
        return ended.said

    return levada


def test_the_example_pipeline_runs_in_an_empty_folder_and_the_example_plugins_with_it(project, levada):
    said = levada("pipeline=mine", "tracker.use=ledger")
    assert "tracked  ledger.ndjson" in said
    assert json.loads((project / "ledger.ndjson").read_text("utf-8"))["status"] == "done"
    answer = re.search(r"^answer .*$", page("docs/pipelines.md"), re.MULTILINE)
    assert answer is not None
    assert answer[0] in said
    assert "parcels.features          1    1       0" in levada("pipeline=mine_with_ratio")


def test_the_example_model_runs_and_has_fifteen_lines(project, levada):
    (project / "conf/model").mkdir(exist_ok=True)
    (project / "conf/model/commonest.yaml").write_text("use: commonest\n", encoding="utf-8")
    said = levada("pipeline=mine", "model=commonest", "problem.metric=accuracy", "problem.goal=null")
    assert re.search(r"^answer +accuracy 0\.\d+ \[.+\] on test rows", said, re.MULTILINE)
    lines = (project / "plugins/models/commonest.py").read_text("utf-8").splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith("#")]) <= 15


def test_the_example_plugin_explains_itself(levada):
    said = levada("plugins", "transformer", "quotient")
    assert "Divide one column by another." in said
    assert [name for name in ("over", "under", "into") if name not in said] == []

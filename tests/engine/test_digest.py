from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import digest

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TEXTS = st.lists(st.text(alphabet="ab1:", max_size=4), max_size=4)


def turned_round(value: object) -> object:
    if isinstance(value, dict):
        return {key: turned_round(value[key]) for key in reversed(value)}
    return [turned_round(item) for item in value] if isinstance(value, list) else value


@given(PLAIN)
def test_the_order_of_keys_is_no_part_of_a_value(value):
    assert digest.of_value(turned_round(value)) == digest.of_value(value)


@given(PLAIN)
def test_canonical_text_is_json_that_says_the_same(value):
    assert json.loads(digest.canonical(value)) == value


@given(TEXTS, TEXTS)
def test_texts_have_equal_digests_only_if_they_are_cut_in_the_same_places(some, others):
    assert (digest.of_text(*some) == digest.of_text(*others)) == (some == others)


@pytest.mark.parametrize(("one", "other"), [(1, "1"), (1, 1.0), (True, 1), (None, "null"), ([], {}), (0.1, 0.2)])
def test_values_of_other_types_have_other_digests(one, other):
    assert digest.of_value(one) != digest.of_value(other)


def test_half_a_surrogate_pair_has_a_digest():
    assert digest.of_text("\ud800") != digest.of_text("\ud801")


@pytest.mark.parametrize("content", [b"", b"x", b"x" * 100_000], ids=len)
def test_a_file_has_the_digest_of_its_bytes(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    (tmp_path / "b").write_bytes(content)
    (tmp_path / "c").write_bytes(content + b".")
    one, same, other = (digest.of_file(tmp_path / name) for name in "abc")
    assert one == same != other


def test_a_file_that_is_not_there_raises_as_open_would(tmp_path):
    with pytest.raises(FileNotFoundError):
        digest.of_file(tmp_path / "none")


class Code:
    """Modules in a folder that is looked in for imports."""

    def __init__(self, folder: Path, forget: Callable[[], None]) -> None:
        self.folder, self._forget = folder, forget

    def write(self, **modules: str) -> None:
        """Write modules; two underscores in a name are a folder, and ``pack__init`` is that of ``pack``."""
        for name, text in modules.items():
            *folders, last = name.split("__")
            file = self.folder.joinpath(*folders, "__init__.py" if last == "init" else f"{last}.py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        self._forget()

    def changes(self, *watched: str, **modules: str) -> list[str]:
        """Return which of the watched modules have another digest after modules were written."""
        before = {name: digest.of_code(name) for name in watched}
        self.write(**modules)
        return [name for name in watched if digest.of_code(name) != before[name]]

    def install(self, name: str, version: str, *files: str) -> None:
        """Install a distribution into a folder of installed packages, instead of the version that was there."""
        site = self.folder / "site-packages"
        for old in site.glob(f"{name}-*.dist-info"):
            shutil.rmtree(old)
        for file in files:
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            (site / file).write_text("", encoding="utf-8")
        info = site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in files), encoding="utf-8")
        if str(site) not in sys.path:
            sys.path.append(str(site))
        self._forget()


@pytest.fixture
def code(tmp_path: Path, forget: Callable[[], None]) -> Code:
    sys.path.append(str(tmp_path))
    importlib.invalidate_caches()
    return Code(tmp_path, forget)


def test_editing_a_helper_changes_what_imports_it_however_indirectly_and_nothing_else(code):
    code.write(
        low="def low(): return 1\n",
        middle="from low import low\n",
        high="import middle\n",
        inside="def late():\n    import low\n",
        apart="X = 1\n",
    )
    assert code.changes("high", "middle", "low", "inside", "apart", low="def low(): return 2\n") == [
        "high",
        "middle",
        "low",
        "inside",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "def low(x):\n    return x + 1\n",
        '"""A module."""\n\n\ndef low(x):  # comment\n    """A function."""\n    return (x\n        + 1)\n',
        "def low(\n    x,\n):\n\n    return x + 1  # type: ignore\n",
    ],
    ids=["as it is", "documented", "reformatted"],
)
def test_comments_docstrings_and_formatting_are_no_part_of_code(code, text):
    code.write(low="def low(x): return x + 1\n", high="import low\n")
    assert code.changes("low", "high", low=text) == []


@pytest.mark.parametrize(
    "text",
    [
        "def low(x): return x + 2\n",
        "def low(y): return y + 1\n",
        "def low(x=1): return x + 1\n",
        "@print\ndef low(x): return x + 1\n",
    ],
    ids=["constant", "name", "default", "decorator"],
)
def test_whatever_python_sees_is_part_of_code(code, text):
    code.write(low="def low(x): return x + 1\n", high="import low\n")
    assert code.changes("low", "high", low=text) == ["low", "high"]


def test_relative_imports_and_the_packages_above_are_followed(code):
    code.write(
        pack__init="",
        pack__sub__init="",
        pack__sub__deep="from ..side import thing\nfrom . import near\n",
        pack__side="thing = 1\n",
        pack__sub__near="",
    )
    watched = ("pack.sub.deep", "pack.sub.near")
    assert code.changes(*watched, pack__side="thing = 2\n") == ["pack.sub.deep"]
    assert code.changes(*watched, pack__sub__near="x = 1\n") == ["pack.sub.deep", "pack.sub.near"]
    assert code.changes("pack.sub.deep", pack__init="x = 1\n") == ["pack.sub.deep"]


def test_a_helper_in_a_folder_without_init_counts_too(code):
    code.write(helpers__stats="X = 1\n", mine="from helpers import stats\n", other="import helpers.stats\n")
    assert code.changes("mine", "other", helpers__stats="X = 2\n") == ["mine", "other"]


def test_modules_that_import_each_other_have_a_digest(code):
    code.write(one="import two\n", two="import one\n")
    assert code.changes("one", "two", two="import one\nx = 1\n") == ["one", "two"]


def test_a_helper_that_appears_changes_what_imports_it(code):
    code.write(high="try:\n    import absent\nexcept ImportError:\n    absent = None\n")
    assert code.changes("high", absent="x = 1\n") == ["high"]


@pytest.mark.parametrize(
    ("files", "imports"),
    [
        (("thing/__init__.py",), "import thing"),
        (("thing/__init__.py", "thing/part.py"), "from thing.part import x"),
        (("thing.py",), "import thing"),
        (("quite_another/__init__.py",), "import quite_another"),
        ((f"thing.cpython-{sys.version_info[0]}{sys.version_info[1]}-x86_64-linux-gnu.so",), "import thing"),
        (("space/thing/__init__.py",), "import space.thing"),
    ],
    ids=["package", "part of a package", "module", "package of another name", "extension module", "namespace package"],
)
def test_the_version_of_an_installed_distribution_counts(code, files, imports):
    code.write(mine=imports + "\n")
    code.install("thing", "1.0", *files)
    before = digest.of_code("mine")
    code.install("thing", "1.1", *files)
    assert digest.of_code("mine") != before


def test_the_code_of_an_installed_distribution_does_not_count(code):
    code.install("thing", "1.0", "thing/__init__.py")
    code.write(mine="import thing\n")
    before = digest.of_code("mine")
    (code.folder / "site-packages/thing/__init__.py").write_text("x = 1\n", encoding="utf-8")
    code.write()
    assert digest.of_code("mine") == before


def test_the_digest_of_code_is_the_same_in_another_process():
    say = "from engine import digest; print(digest.of_code('engine.stages.estimate', 'plugins.models.sklearn'))"
    said = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"})
    assert said.stdout.strip() == digest.of_code("plugins.models.sklearn", "engine.stages.estimate")


def test_code_is_read_once_until_it_is_to_be_forgotten(code):
    code.write(mine="x = 1\n")
    before = digest.of_code("mine")
    (code.folder / "mine.py").write_text("x = 2\n", encoding="utf-8")
    assert digest.of_code("mine") == before
    digest.forget()
    assert digest.of_code("mine") != before


def test_a_module_from_which_names_are_taken_is_read_and_not_run(code):
    code.write(pack__init="", pack__dear="raise AssertionError('run')\n", mine="from pack.dear import Name\n")
    assert code.changes("mine", pack__dear="raise AssertionError('run once more')\n") == ["mine"]


def test_to_say_what_code_a_stage_runs_imports_no_scikit_learn():
    say = "import sys; from engine import digest; digest.of_code('engine.stages.encode'); print('sklearn' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_what_was_read_of_source_files_is_remembered_and_a_changed_file_is_read_again(tmp_path, monkeypatch):
    package = tmp_path / "code"
    package.mkdir()
    monkeypatch.syspath_prepend(package)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def anew() -> str:
        """Return the digest as a process finds it that has read nothing yet."""
        digest.forget()
        return digest.of_code("heights")

    (package / "heights.py").write_text("from depths import low\n", encoding="utf-8")
    (package / "depths.py").write_text("low = 1\n", encoding="utf-8")
    first = anew()
    (file,) = (tmp_path / "cache" / "levada").iterdir()
    kept = file.read_text(encoding="utf-8")
    assert anew() == first
    assert file.read_text(encoding="utf-8") == kept

    (package / "depths.py").write_text("low = 2\n", encoding="utf-8")
    second = anew()
    assert second != first
    file.write_text("[", encoding="utf-8")  # what can not be read is found out again
    assert anew() == second
    (package / "depths.py").write_text("low = 1  # as before\n", encoding="utf-8")
    assert anew() == first

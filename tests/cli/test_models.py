"""``levada models``, ``promote`` and ``predict``: versions, aliases, folders to take elsewhere, answers for raw rows."""

from __future__ import annotations

import json
import shutil
from contextlib import chdir

import polars as pl
import pytest

import engine
from engine.cli import run
from engine.config.spec import Store
from engine.deployment import bundle, export, list_models, promote, read_folder
from engine.errors import ConfigError, ConflictError, Corrupt, UnknownName
from engine.stores.aliases import Alias
from engine.upkeep import fsck, gc
from tests.conftest import Shapes


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """A project whose pipeline has run with two models, the second of them twice."""
    shapes = Shapes.create(tmp_path_factory.mktemp("models"))
    more = """
      - {use: filter, where: "width <> 0.7"}
      - {use: deduplicate}"""
    shapes.pipeline(('wide: "width > 5"}', 'wide: "width > 5"}' + more))
    with chdir(shapes.folder):
        shapes.run()
        shapes.run("model=decision_tree")
        shapes.run("model=decision_tree")
    return shapes


@pytest.fixture
def ran(twice, monkeypatch):
    monkeypatch.chdir(twice.folder)
    return twice


def said(capsys, *arguments: str, code: int = 0) -> str:
    assert run(arguments) == code
    captured = capsys.readouterr()
    return captured.out + captured.err


@pytest.mark.usefixtures("ran")
def test_runs_that_come_to_the_same_are_one_version(capsys):
    first, second = json.loads(said(capsys, "models", "shapes", "--json"))
    assert (first["model"], second["model"]) == ("sklearn.GaussianNB", "sklearn.DecisionTreeClassifier")
    assert (len(first["runs"]), len(second["runs"])) == (1, 2)
    assert (first["aliases"], first["metric"], first["part"]) == ([], "accuracy", "test")
    assert first["bytes"] > 1000
    assert second["id"] in said(capsys, "models")
    assert "unknown pipeline with a model 'shape'" in said(capsys, "models", "shape", code=2)


def test_a_run_that_has_no_model_is_told_from_one_that_is_not_there(tmp_path, monkeypatch, capsys):
    shapes = Shapes.create(tmp_path)
    shapes.pipeline()
    monkeypatch.chdir(tmp_path)
    said(capsys, "split", "pipeline=shapes", "part=train")
    (divided,) = json.loads(said(capsys, "runs", "--json"))
    assert f"the run {divided['id']} has no model" in said(capsys, "promote", divided["id"], "--as", "champion", code=3)
    assert "unknown model '0000'" in said(capsys, "promote", "0000", "--as", "champion", code=2)


def test_rows_of_a_file_are_answered_with_their_numbers(ran, capsys, tmp_path):
    rows = "id,colour,width,height,more\n1,red,3.5,,x\n2,red,0.7,2,x\n3,,9,4.5,x\n1,red,3.5,,x\n"
    ran.write("new.csv", rows)
    answers = json.loads(said(capsys, "predict", "shapes", "new.csv", "--json"))
    assert [one["row"] for one in answers["predictions"]] == [1, 3]
    assert (answers["rows"], answers["left_out"]) == (4, 2)
    out = tmp_path / "answers.parquet"
    text = said(capsys, "predict", "shapes", "new.csv", "--out", str(out))
    assert "2 predictions by shapes" in text
    assert "2 rows have none" in text
    assert pl.read_parquet(out)["prediction"].to_list() == [one["prediction"] for one in answers["predictions"]]
    frame = pl.read_csv("new.csv")
    assert engine.bundle("shapes").predict(frame)["prediction"].to_list() == pl.read_parquet(out)["prediction"].to_list()
    frame.write_ndjson("new.ndjson")
    assert json.loads(said(capsys, "predict", "shapes", "new.ndjson", "--json")) == answers


@pytest.mark.parametrize(
    ("arguments", "text", "code"),
    [
        (["shapes", "narrow.csv"], "the column 'width' is missing", 3),
        (["shapes", "wrong.csv"], "the column 'width' has values of another type", 3),
        (["shapes", "none.csv"], "there is no file none.csv", 3),
        (["shapes", "rows.txt"], "no way to read rows.txt", 2),
        (["shape", "wrong.csv"], "did you mean 'shapes'?", 2),
        (["shapes@champio", "wrong.csv"], "unknown version or alias of shapes", 2),
    ],
)
def test_what_can_not_be_predicted_is_said(ran, capsys, arguments, text, code):
    ran.write("narrow.csv", "id,colour,height\n1,red,3\n")
    ran.write("wrong.csv", "id,colour,width,height\n1,red,wide,3\n")
    assert text in said(capsys, "predict", *arguments, code=code)


def test_an_alias_moves_and_who_comes_second_is_told(ran, capsys):
    store = Store()
    first, second = (one["id"] for one in list_models(store))
    assert f"challenger of shapes is {first}" in said(capsys, "promote", first, "--as", "challenger")
    assert promote(store, f"shapes@{second}", "challenger", expected=first)["before"] == first
    with pytest.raises(ConflictError, match="somebody else was first") as caught:
        promote(store, second, "challenger", expected=first)
    assert (caught.value.expected, caught.value.found) == (first, second)
    assert "somebody else was first" in said(capsys, "promote", first, "--as", "challenger", "--expect", "none", code=5)
    assert bundle(store, "shapes@challenger").id == second
    assert bundle(store, "shapes").id == second
    promote(store, first, "champion")
    assert bundle(store, "shapes").id == first
    assert [one["aliases"] for one in list_models(store)] == [["champion"], ["challenger"]]
    with pytest.raises(ConfigError, match="can not be an alias"):
        promote(store, first, "the best")
    with ran.catalog() as catalog:
        catalog.move_alias(Alias(pipeline="shapes", name="gone", version="0" * 12))
    with pytest.raises(UnknownName):
        bundle(store, "shapes@nobody")


def test_a_folder_needs_no_store_and_notices_what_was_changed(ran, capsys, tmp_path, monkeypatch):
    ran.write("new.csv", "id,colour,width,height\n1,red,3.5,\n")
    said(capsys, "models", "export", "shapes", "--out", str(tmp_path / "model"))
    answers = json.loads(said(capsys, "predict", "shapes", "new.csv", "--json"))
    assert "is not empty" in said(capsys, "models", "export", "shapes", "--out", str(tmp_path / "model"), code=2)
    shutil.copy("new.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert json.loads(said(capsys, "predict", "model", "new.csv", "--json")) == answers
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "new.csv"]
    (file,) = tmp_path.glob("model/artifacts/model.estimate/*.skops")
    shutil.copytree("model", "spoilt")
    spoilt = tmp_path / "spoilt" / file.relative_to(tmp_path / "model")
    spoilt.write_bytes(b"x" + spoilt.read_bytes()[1:])
    with pytest.raises(Corrupt):
        read_folder(tmp_path / "spoilt").predict(pl.read_csv("new.csv"))
    manifest = tmp_path / "model" / "bundle.json"
    manifest.write_text(manifest.read_text().replace("artifacts/", "../artifacts/", 1))
    with pytest.raises(Corrupt, match="is not what was written"):
        read_folder(tmp_path / "model")


def test_upkeep_keeps_and_checks_what_versions_name(ran):
    store = Store()
    before = fsck(store)
    assert (before["errors"], before["checked"]["models"]) == (0, 2)
    assert gc(store, 0.0, delete=True)["files"] == []
    with ran.catalog() as catalog:  # as if nothing of them were remembered
        catalog.forget([one.memo for one in catalog.remembered() if one.label.startswith(("model.", "encode."))])
    removed = {one["path"] for one in gc(store, 0.0, delete=True)["files"]}
    assert removed
    assert not any("model.estimate" in path for path in removed)
    assert fsck(store)["findings"] == []
    found = bundle(store, "shapes")
    export(found, ran.folder / "again")
    found.store.path(found.manifest.files()[-1]).unlink()
    assert [one["problem"] for one in fsck(store)["findings"]] == ["missing"]


def test_a_manifest_that_is_gone_is_named_and_the_others_are_listed(shapes, capsys):
    first = shapes.run().summary["bundle"]
    second = shapes.run("model=decision_tree").summary["bundle"]["digest"][:12]
    (shapes.folder / ".levada" / first["path"]).unlink()
    text = said(capsys, "models", "shapes")
    assert second in text
    assert f"warning  {first['digest'][:12]} can not be read: cannot read " in text
    listed = {one["id"]: one for one in json.loads(said(capsys, "models", "--json"))}
    assert listed[second]["problem"] is None
    assert listed[first["digest"][:12]]["bytes"] is None
    assert said(capsys, "predict", f"shapes@{second}", "data/shapes-0.csv")
    assert [one["problem"] for one in fsck(Store())["findings"]] == ["missing"]
    assert gc(Store(), 0.0)["files"] == []
    shapes.run()
    assert "can not be read" not in said(capsys, "models")


def test_a_gate_promotes_the_run_for_which_it_holds(shapes, capsys):
    shapes.pipeline(more='promote: {when: "accuracy >= champion.accuracy + 0.01 and accuracy > 0.1", on: validation}\n')
    first = shapes.run("model=dummy").summary["promotion"]
    assert (first["holds"], first["promoted"]) == (True, True)
    better = shapes.run("model=gaussian_nb").summary
    moved = f"champion is {better['promotion']['version']} now, and was {first['version']}"
    assert (
        better["promotion"]["message"]
        == f"{moved}; champion {first['version']} was measured on the same validation rows before"
    )
    worse = said(capsys, "pipeline=shapes", "model=dummy")
    assert "promote  not promoted: accuracy >= champion.accuracy + 0.01" in worse
    (champion,) = (one["id"] for one in list_models(Store()) if one["aliases"])
    assert champion == better["promotion"]["version"]
    unmeasured = shapes.run("promote.when='roc_auc > 0.5'").summary["promotion"]
    assert unmeasured["message"] == "not promoted: roc_auc was not measured on validation rows"
    lineage = said(capsys, "lineage", champion)
    assert "shapes-0.csv" in lineage
    assert "alias champion" in lineage

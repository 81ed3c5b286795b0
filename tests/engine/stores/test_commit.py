from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from engine import digest
from engine.errors import HostError
from engine.stores.commit import commit_file


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_file_is_named_by_its_content(tmp_path):
    stored = commit_file(tmp_path, "raw/a", "part-0000", ".txt", lambda path: path.write_text("hello"))
    assert files(tmp_path) == [stored.path]
    assert stored.path == f"raw/a/part-0000-{stored.digest[:20]}.txt"
    assert (stored.digest, stored.bytes) == (digest.of_file(tmp_path / stored.path), 5)


def test_equal_content_is_the_same_file_and_other_content_another(tmp_path):
    one, same, other = (
        commit_file(tmp_path, "a", "p", ".txt", lambda path, text=text: path.write_text(text)) for text in "xxy"
    )
    assert one == same != other
    assert files(tmp_path) == sorted([one.path, other.path])


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyboardInterrupt(), OSError("not of the machine")], ids=lambda error: type(error).__name__
)
def test_a_write_that_fails_is_passed_on_and_leaves_nothing(tmp_path, error):
    def write(path):
        path.write_text("half of it")
        raise error

    with pytest.raises(type(error)) as caught:
        commit_file(tmp_path, "a", "p", ".txt", write)
    assert caught.value is error
    assert files(tmp_path) == []


def test_a_disk_that_fails_is_said_with_the_place_and_leaves_nothing(tmp_path):
    def write(path):
        path.write_text("half of it")
        raise OSError(28, "No space left on device")

    with pytest.raises(HostError, match=r"cannot write below .*: No space left on device") as caught:
        commit_file(tmp_path, "a", "p", ".txt", write)
    assert caught.value.hint == "free some space, then run again"
    assert files(tmp_path) == []


def test_a_root_that_can_not_be_written_is_the_machines_fault(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="cannot write"):
        commit_file(tmp_path / "file", "a", "p", ".txt", lambda path: path.write_text("x"))


def test_a_place_that_can_not_be_made_leaves_nothing_in_tmp(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(HostError, match="cannot write"):
        commit_file(tmp_path, "a/b", "p", ".txt", lambda path: path.write_text("x"))
    assert files(tmp_path) == ["a"]


def test_a_source_that_is_gone_is_not_the_fault_of_the_store(tmp_path):
    with pytest.raises(FileNotFoundError):
        commit_file(tmp_path, "a", "p", ".txt", lambda path: path.write_bytes((tmp_path / "source").read_bytes()))
    assert files(tmp_path) == []


def test_writers_of_the_same_content_at_once_come_to_one_whole_file(tmp_path):
    together = Barrier(4)

    def write(path):
        path.write_bytes(b"x" * 100_000)
        together.wait(timeout=20)

    with ThreadPoolExecutor(4) as pool:
        stored = {pool.submit(commit_file, tmp_path, "a", "p", ".bin", write) for _ in range(4)}
        found = {future.result() for future in stored}
    (one,) = found
    assert files(tmp_path) == [one.path]
    assert digest.of_file(tmp_path / one.path) == one.digest

from __future__ import annotations

import pytest

from engine.errors import HostError
from engine.execute.committer import Committer
from engine.stores.artifacts import Artifact
from engine.stores.catalog import Memory
from engine.stores.sqlite import SqliteCatalog


def memory(number):
    return Memory(f"r{number}", (), Artifact(str(number)), "a", number, "", "{}", "run", float(number))


@pytest.fixture
def catalog(tmp_path):
    catalog = SqliteCatalog(tmp_path / "catalog.sqlite")
    yield catalog
    catalog.close()


def test_what_was_added_is_committed_when_the_context_is_left(catalog):
    with Committer(catalog) as committer:
        for number in range(100):
            committer.add(memory(number))
    assert [one.index for one in catalog.history("a")] == list(reversed(range(100)))


def test_nothing_added_is_nothing_committed(catalog):
    with Committer(catalog):
        pass
    assert catalog.history("a") == []


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_what_was_added_before_an_error_is_committed_and_the_error_passed_on(catalog, error):
    with pytest.raises(type(error)), Committer(catalog) as committer:  # noqa: PT012  an error ends the context
        committer.add(memory(1))
        raise error
    assert len(catalog.history("a")) == 1


def test_a_failure_to_commit_is_raised_on_leaving(catalog):
    catalog.close()
    with pytest.raises(HostError, match="could not be written"), Committer(catalog) as committer:
        committer.add(memory(1))


def test_a_failure_to_commit_is_raised_by_a_later_add(catalog):
    committer = Committer(catalog)
    committer.__enter__()
    catalog.close()
    committer.add(memory(1))
    committer._thread.join(timeout=20)
    with pytest.raises(HostError, match="could not be written"):
        committer.add(memory(2))
    with pytest.raises(HostError):
        committer.__exit__(None, None, None)


def test_a_failure_to_commit_does_not_hide_the_error_that_ends_the_context(catalog):
    with pytest.raises(ValueError, match="the cause"), Committer(catalog) as committer:  # noqa: PT012  both must fail
        catalog.close()
        committer.add(memory(1))
        raise ValueError("the cause")

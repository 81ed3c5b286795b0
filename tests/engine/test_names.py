from __future__ import annotations

import json
import logging
import pickle
import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from engine.names import SafeName, Secret, new_id

NAME = TypeAdapter(SafeName)


@pytest.mark.parametrize("text", ["a", "Flights", "t_2013", "x" * 64])
def test_a_safe_name_is_itself(text):
    assert NAME.validate_python(text) == text


@pytest.mark.parametrize("text", ["", "1a", "_a", "a-b", "a/b", "..", "a.b", "a b", "a\n", "é", "x" * 65, "a'"])
def test_what_a_path_or_sql_could_mean_is_no_safe_name(text):
    with pytest.raises(ValidationError, match="a name starts with a letter"):
        NAME.validate_python(text)


@given(st.text(max_size=70))
def test_what_passes_as_a_safe_name_is_letters_digits_and_underscores(text):
    try:
        NAME.validate_python(text)
    except ValidationError:
        return
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", text)


@pytest.mark.parametrize(
    "shown",
    [
        str(Secret("pa55")),
        repr(Secret("pa55")),
        f"{Secret('pa55')} {Secret('pa55')!r} {Secret('pa55')!s}",
        "{} {!r}".format(Secret("pa55"), Secret("pa55")),
        "%s %r" % (Secret("pa55"), Secret("pa55")),  # noqa: UP031  as above
        str([Secret("pa55"), {"uri": Secret("pa55")}]),
        str(ValueError(Secret("pa55"))),
    ],
)
def test_a_secret_never_shows(shown):
    assert "pa55" not in shown
    assert "***" in shown  # some stars, however many


def test_a_secret_never_shows_in_a_log(caplog):
    logging.getLogger("x").warning("with %s, %r", Secret("pa55"), [Secret("pa55")])
    assert "pa55" not in caplog.text


def test_a_secret_never_shows_as_a_parameter_of_a_plugin():
    class Source(BaseModel):
        uri: Secret

    source = Source.model_validate({"uri": "pa55"})
    assert source.uri.get_secret_value() == "pa55"
    assert "pa55" not in f"{source} {source!r} {source.model_dump_json()} {json.dumps(source.model_dump(mode='json'))}"


def test_a_secret_reveals_its_text_to_the_driver_also_in_another_process():
    assert pickle.loads(pickle.dumps(Secret("pa55"))).get_secret_value() == "pa55"


def test_ids_are_uuids_of_version_7():
    found = {(uuid.UUID(new_id()).version, uuid.UUID(new_id()).variant) for _ in range(200)}
    assert found == {(7, uuid.RFC_4122)}


def test_ids_sort_by_the_time_at_which_they_were_made_and_none_comes_twice():
    ids = [new_id() for _ in range(5_000)]
    assert ids == sorted(set(ids))

"""Stripe's forms and idempotency keys, without network."""

from __future__ import annotations

import pytest

from tests.doubles.stripe.errors import InvalidParameter, KeyInUse, KeyReused
from tests.doubles.stripe.idempotency import Answer, Keys
from tests.doubles.stripe.parameters import Parameters, nested

ANSWER = Answer(200, "{}", "req_1")


def test_brackets_become_mappings_and_lists():
    form = [
        ("amount", "5"),
        ("metadata[order]", "7"),
        ("card[a][b]", "x"),
        ("expand[]", "p"),
        ("expand[]", "q"),
        ("t[1]", "b"),
        ("t[0]", "a"),
    ]
    assert nested(form) == {
        "amount": "5", "metadata": {"order": "7"}, "card": {"a": {"b": "x"}}, "expand": ["p", "q"], "t": ["a", "b"],
    }  # fmt: skip


def test_a_form_that_contradicts_itself_is_refused():
    with pytest.raises(InvalidParameter):
        nested([("metadata", "x"), ("metadata[order]", "7")])


@pytest.mark.parametrize("text", ["1.5", "1e3", "ten", "", "9" * 16])
def test_only_integers_are_integers(text: str):
    parameters = Parameters({"amount": text})
    if text == "":
        assert parameters.integer("amount") is None
    else:
        with pytest.raises(InvalidParameter, match="Invalid integer"):
            parameters.integer("amount")


def test_what_is_not_known_is_refused_by_name():
    with pytest.raises(InvalidParameter) as refused:
        Parameters({"amount": "1", "amout": "2"}).only({"amount"})
    assert refused.value.param == "amout"


def test_a_key_gives_the_first_answer_to_everybody():
    keys = Keys()
    assert keys.begin("k", "one") is None
    keys.finish("k", ANSWER)
    assert keys.begin("k", "one") is ANSWER
    with pytest.raises(KeyReused):
        keys.begin("k", "other")


def test_a_key_in_use_says_so_to_the_same_request_and_to_others():
    keys = Keys()
    keys.begin("k", "one")
    with pytest.raises(KeyInUse):
        keys.begin("k", "one")
    with pytest.raises(KeyReused):
        keys.begin("k", "other")


def test_a_key_under_which_nothing_was_done_is_free_for_another_request():
    keys = Keys()
    keys.begin("k", "one")
    keys.forget("k")
    assert keys.begin("k", "other") is None

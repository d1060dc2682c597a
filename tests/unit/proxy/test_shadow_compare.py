"""What counts as a difference between three answers, how it is named, and what of it may be kept."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import shadow_sample
from proxy.shadow_compare import MISSING, Answer, compare
from proxy.shadow_mask import kept, shape
from proxy.shadow_sample import Patterns

HEADERS = ("content-type",)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def answer(value, status=200, kind="application/json"):
    return Answer(status, {"content-type": kind}, value if isinstance(value, bytes) else json.dumps(value).encode())


def paths(first, service, second=None):
    found = compare(answer(first), answer(service), answer(first if second is None else second), HEADERS)
    return [one.path for one in found.differences]


@pytest.mark.parametrize(
    ("monolith", "service", "path"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b"),
        ({"a": None}, {}, "a"),
        ({"a": 1}, {"a": "1"}, "a"),
        ({"a": 1}, {"a": True}, "a"),
        ({"l": [{"p": 1}, {"p": 2}]}, {"l": [{"p": 1}, {"p": 3}]}, "l[].p"),
        ({"l": [1, 2]}, {"l": [1]}, "l[].(length)"),
        ({"l": [1, 2]}, {"l": [2, 1]}, "l[].(order)"),
        ([[1]], [[2]], "[][]"),
        ({"alice@example.org": 1}, {"alice@example.org": 2}, "{key}"),
        ({"4711": {"x": 1}}, {"4711": {"x": 2}}, "{key}.x"),
        (1, 2, "(body)"),
    ],
)
def test_a_difference_is_named_by_its_field_path(monolith, service, path):
    assert paths(monolith, service) == [path]


def test_equal_numbers_are_equal_however_they_are_written():
    assert paths({"a": 1}, {"a": 1.0}) == []


def test_what_the_monolith_says_differently_each_time_is_noise_with_all_that_is_below_it():
    assert paths({"at": 1, "p": 1}, {"at": 3, "p": 2}, {"at": 2, "p": 1}) == ["p"]
    assert paths({"l": [{"a": 1}, {"a": 2}]}, {"l": [{"a": 3}, {"a": 4}]}, {"l": [{"a": 2}, {"a": 1}]}) == []


def test_a_row_that_moved_before_the_service_was_asked_is_no_difference():
    assert paths({"p": 1}, {"p": 2}, {"p": 2}) == []


def test_statuses_headers_and_bodies_that_are_no_json_are_compared_as_well():
    ok, lost = answer({"a": 1}), answer({"b": 1}, 404)
    assert [one.path for one in compare(ok, lost, ok, HEADERS).differences] == ["(status)"]
    html = answer(b"<p>1</p>", kind="text/html; charset=utf-8")
    other = answer(b"<p>2</p>", kind="text/html;charset=UTF-8")
    assert [one.path for one in compare(html, other, html, HEADERS).differences] == ["(body)"]
    plain = answer(b'{"a":1}', kind="text/plain")
    assert [one.path for one in compare(ok, plain, ok, HEADERS).differences] == ["(body)", "(header content-type)"]


def test_a_body_too_deep_to_walk_is_compared_as_a_whole():
    deep = b"[" * 5000 + b"]" * 5000
    found = compare(answer(deep), answer(deep[1:-1]), answer(deep), HEADERS)
    assert [one.path for one in found.differences] == ["(body)"]


@given(JSON, JSON)
def test_equal_values_never_differ_and_different_ones_always_do(one, other):
    assert paths(one, one) == []
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    if not same and not _equal(one, other):
        assert paths(one, other)


def _equal(one, other):
    """As JSON: numbers by value, booleans apart from numbers."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    return one == other


@given(st.text())
def test_no_letter_and_no_digit_of_a_value_is_kept(text):
    assert set(shape(text)) <= set("aA9?") | {sign for sign in text if sign.isascii() and not sign.isalnum()}


def test_a_shape_shows_what_is_wrong_with_the_form():
    assert kept("price", "12.50") == '"99.99"'
    assert kept("price", "12.5") == '"99.9"'
    assert kept("price", 12.5) == "99.9"
    assert kept("mail", "Alice@example.org") == '"Aaaaa@aaaaaaa.aaa"'
    assert kept("a", None) == "null"
    assert kept("a", True) == "true"
    assert kept("a", MISSING) == "missing"
    assert kept("l[].(length)", 3) == "3"
    assert kept("l[].(order)", MISSING) == "in another order"
    assert kept("a", {"alice": 1}) == "object of 1"
    assert kept("price", "12.50", ("price",)) == '"12.50"'
    assert kept("text", "word " * 100).endswith("… (502 signs)")


LINE = (
    b'<190>Nov 28 02:00:00 fig: {"id":"abc","domain":"catalog","time":"1732760000.123","method":"GET",'
    b'"uri":"/api/catalog/products/1?q=%20","host":"h","scheme":"http","peer":"127.0.0.1","cookie":"a=\\"b\\"",'
    b'"identity":"","authorization":"","accept":"*/*","language":""}'
)


def test_a_sample_is_read_and_holds_its_secrets_back():
    sample = shadow_sample.parse(LINE)
    assert sample is not None
    assert (sample.domain, sample.path, sample.at) == ("catalog", "/api/catalog/products/1", 1732760000.123)
    assert sample.headers["Cookie"] == 'a="b"'
    assert "X-Identity" not in sample.headers
    assert "a=" not in repr(sample)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"<190>fig: {",
        LINE.replace(b'"GET"', b'"POST"'),
        LINE.replace(b"/api/catalog/products/1?q=%20", b"http://elsewhere/"),
        LINE.replace(b"/api/catalog/products/1?q=%20", b"/a b"),
        LINE.replace(b'"accept":"*/*"', b'"accept":"*\\r\\nX-Evil: 1"'),
        LINE.replace(b'"id":"abc",', b""),
        LINE.replace(b"*/*", b"\xff\xfe"),
    ],
)
def test_what_is_not_wholly_as_expected_is_no_sample(datagram):
    assert shadow_sample.parse(datagram) is None


def test_a_path_belongs_to_the_pattern_with_the_fewest_places():
    patterns = Patterns(["/api/p/{id}", "/api/p/mine", "/api/p", "/api/p/{id}/x.y"])
    assert patterns.match("/api/p/mine") == "/api/p/mine"
    assert patterns.match("/api/p/7") == "/api/p/{id}"
    assert patterns.match("/api/p/7/x.y") == "/api/p/{id}/x.y"
    assert patterns.match("/api/p/7/xzy") is None
    assert patterns.match("/api/p/") is None
    assert patterns.match("/api/p/7/8") is None

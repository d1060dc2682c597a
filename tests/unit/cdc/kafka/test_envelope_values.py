"""Values in envelopes are Debezium's, and come back as they were."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from cdc.debezium import envelope_texts, envelope_values
from cdc.debezium.envelope_types import CatalogueType, value_type

CATALOGUE = {
    20001: CatalogueType("e", labels=("sad", "so so"), name="mood"),
    20002: CatalogueType("d", base=1114, name="moment"),
    20003: CatalogueType("b", element=20001, name="_mood"),
    20004: CatalogueType("b", name="hstore"),
    20005: CatalogueType("c", name="pair"),
}

AS_DEBEZIUM: list[tuple[int, int, str, Any]] = [
    (16, -1, "t", True),
    (21, -1, "-32768", -32768),
    (20, -1, "-9223372036854775808", -9223372036854775808),
    (700, -1, "0.1", 0.1),
    (701, -1, "0.30000000000000004", 0.30000000000000004),
    (701, -1, "NaN", "NaN"),
    (701, -1, "-Infinity", "-Infinity"),
    (1700, -1, "123456789.123456789000", "123456789.123456789000"),
    (1700, -1, "-0.000000000000000000001", "-0.000000000000000000001"),
    (790, -1, "-$1,234.56", "-1234.56"),
    (25, -1, "", ""),
    (25, -1, 'a "b" \\ \n ü', 'a "b" \\ \n ü'),
    (1042, 9, "ab   ", "ab   "),
    (17, -1, "\\x00ff10", "AP8Q"),
    (17, -1, "\\x", ""),
    (1082, -1, "2026-02-28", 20512),
    (1082, -1, "0044-03-15 BC", -735160),
    (1083, -1, "12:34:56.123456", 45296123456),
    (1083, -1, "24:00:00", 86400000000),
    (1266, -1, "10:34:56.123456+00", "10:34:56.123456Z"),
    (1114, -1, "2026-02-28 12:34:56.123456", 1772282096123456),
    (1114, -1, "0044-03-15 12:00:00 BC", -63517780800000000),
    (1114, -1, "infinity", 9223372036825200000),
    (1184, -1, "2026-02-28 10:34:56.123456+00", "2026-02-28T10:34:56.123456Z"),
    (1184, -1, "0044-03-15 12:00:00+00 BC", "-0043-03-15T12:00:00.000000Z"),
    (1184, -1, "-infinity", "-infinity"),
    (1186, -1, "1 year 2 mons 3 days 04:05:06.789", "P1Y2M3DT4H5M6.789S"),
    (1186, -1, "-1 mons -2 days -00:00:01.5", "P0Y-1M-2DT0H0M-1.5S"),
    (3802, -1, '{"a": null, "b": [1, 2.50]}', '{"a": null, "b": [1, 2.50]}'),
    (1560, 1, "1", True),
    (1560, 5, "10110", "Fg=="),
    (600, -1, "(1.5,-2)", {"x": 1.5, "y": -2.0, "wkb": "AQEAAAAAAAAAAAD4PwAAAAAAAADA", "srid": None}),
    (26, -1, "4000000000", 4000000000),
    (3220, -1, "16/B374D848", "MTYvQjM3NEQ4NDg="),
    (3904, -1, "[1,5)", "[1,5)"),
    (1000, -1, "{t,f,NULL}", [True, False, None]),
    (1009, -1, '{a,"b, c","d \\"e\\"",NULL,""}', ["a", "b, c", 'd "e"', None, ""]),
    (1001, -1, '{"\\\\x00ff"}', ["AP8="]),
    (1231, -1, "{1.50,-2}", ["1.50", "-2"]),
    (1007, -1, "{}", []),
    (20001, -1, "so so", "so so"),
    (20002, -1, "2026-02-28 12:34:56", 1772282096000000),
    (20003, -1, "{sad}", ["sad"]),
    (20004, -1, '"a"=>"1", "b"=>NULL', '{"a":"1","b":null}'),
    (20005, -1, '(7,"a ""b"", c")', "KDcsImEgIiJiIiIsIGMiKQ=="),
]
"""(type, modifier, PostgreSQL's text, what Debezium 3.6 writes for it)"""

OURS: list[tuple[int, int, str, Any]] = [
    (1562, -1, "00101", "00101"),
    (1082, -1, "infinity", "infinity"),
    (1266, -1, "12:34:56+02", "12:34:56+02:00"),
    (1007, -1, "[0:1]={1,2}", "[0:1]={1,2}"),
    (1114, -1, "294276-12-31 23:59:59.999999", "294276-12-31 23:59:59.999999"),
]
"""What Debezium would bend."""


@pytest.mark.parametrize(("oid", "modifier", "text", "said"), [*AS_DEBEZIUM, *OURS])
def test_a_value_is_written_as_debezium_writes_it(oid: int, modifier: int, text: str, said: Any) -> None:
    value = value_type(oid, modifier, CATALOGUE)
    assert orjson.loads(envelope_values.writer(value)(text.encode())) == said


SAME_VALUE = {
    "-$1,234.56": "-1234.56",
    "(1.5,-2)": "(1.5,-2.0)",
    "10:34:56.123456+00": "10:34:56.123456Z",
    "12:34:56+02": "12:34:56+02:00",
    "1 year 2 mons 3 days 04:05:06.789": "P1Y2M3DT4H5M6.789S",
    "-1 mons -2 days -00:00:01.5": "P0Y-1M-2DT0H0M-1.5S",
    "0044-03-15 12:00:00+00 BC": "0044-03-15 12:00:00.000000+00 BC",
    "{t,f,NULL}": '{"t","f",NULL}',
    '{a,"b, c","d \\"e\\"",NULL,""}': '{"a","b, c","d \\"e\\"",NULL,""}',
    "{1.50,-2}": '{"1.50","-2"}',
    "{sad}": '{"sad"}',
}
"""PostgreSQL reads both texts as one value."""


@pytest.mark.parametrize(("oid", "modifier", "text", "said"), [*AS_DEBEZIUM, *OURS])
def test_a_value_comes_back_as_it_was(oid: int, modifier: int, text: str, said: Any) -> None:
    value = value_type(oid, modifier, CATALOGUE)
    assert envelope_texts.reader(value)(said) == SAME_VALUE.get(text, text).encode()

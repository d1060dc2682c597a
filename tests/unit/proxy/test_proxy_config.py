"""A proxy's values: what is refused, what a request belongs to, the way through JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.canary import Canary, Cohort
from proxy.config import Identity, Limits, ProxyConfig, Static
from proxy.errors import ConfigInvalid
from proxy.render import nginx_conf
from proxy.routes import Domain, Route, Side, Upstream
from proxy.tls import Tls

CONFIG = ProxyConfig(
    folder=Path("/srv/fig/nginx"),
    public="127.0.0.1:7400",
    internal="127.0.0.1:7401",
    metrics="127.0.0.1:7402",
    upstreams=(
        Upstream("monolith", ("127.0.0.1:7430",)),
        Upstream("catalog", ("127.0.0.1:7441", "127.0.0.1:7442")),
        Upstream("users", ("unix:/srv/users.sock",)),
    ),
    default_upstream="monolith",
    domains=(
        Domain(
            "catalog",
            (Route("/api/catalog"), Route("/internal/catalog")),
            "monolith",
            "catalog",
            read_by=("/api/payments",),
            canary=Canary(
                always=(Cohort("header", "yes", "X-Staff"), Cohort("path", "/api/catalog/tenants/one")),
                never=(Cohort("cookie", "off", "beta"), Cohort("host", "shop.example.org")),
            ),
        ),
        Domain("users", (Route("/api/users"), Route("/internal/users")), "monolith", "users"),
        Domain("search", (Route("/api/catalog/search", ("GET", "HEAD")),), "monolith", "users", owner=Side.SERVICE),
    ),
    identity=Identity(),
    static=(Static("/", Path("/srv/shop/pages")), Static("/docs", Path("/srv/shop/docs"), "default-src 'self'")),
)


SHOWN = (Path("/srv/tls/shown.pem"), Path("/srv/tls/shown.key"))


def problems_of(**changes):
    with pytest.raises(ConfigInvalid) as invalid:
        replace(CONFIG, **changes)
    assert invalid.value.code == "proxy-config-invalid"
    return invalid.value.problems


def test_values_go_through_json_unchanged():
    upstreams = (*CONFIG.upstreams, Upstream("payments", ("10.0.0.4:8443",), "payments.internal"))
    secured = replace(CONFIG, tls=Tls(*SHOWN, "0.0.0.0:80"), upstreams=upstreams, upstream_authorities=SHOWN[0])
    for config in (CONFIG, secured):
        assert ProxyConfig.parse(json.loads(json.dumps(config.document()))) == config


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/api/catalog", "catalog"),
        ("GET", "/api/catalog/products/1", "catalog"),
        ("GET", "/api/catalogue", None),
        ("GET", "/api", None),
        ("GET", "/api/catalog/search", "search"),
        ("GET", "/api/catalog/search/x", "search"),
        ("POST", "/api/catalog/search", "catalog"),
        ("GET", "/internal/users/session", "users"),
    ],
)
def test_the_longest_route_whose_method_fits_decides_in_python_and_in_nginx(method, path, name):
    domain = CONFIG.domain_of(method, path)
    assert (domain.name if domain else None) == name
    rules = re.findall(r'"~(\^\S+)" (\w+);', nginx_conf(CONFIG))
    found = [rule for pattern, rule in rules if re.match(pattern.replace(r"\z", r"\Z"), f"{method}:{path}")]
    assert (found[0] if found else None) == name


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"folder": Path("relative")}, "folder"),
        ({"folder": Path("/srv/with space")}, "folder"),
        ({"public": "7400"}, "public"),
        ({"internal": "127.0.0.1:7400"}, "different"),
        ({"metrics": "127.0.0.1:7402;"}, "metrics"),
        ({"worker_processes": 0}, "worker_processes"),
        ({"worker_processes": True}, "worker_processes"),
        ({"largest_body": "1m"}, "largest_body"),
        ({"limits": Limits(longest_hold_ms=-1)}, "longest_hold_ms"),
        ({"secure_cookies": "yes"}, "secure_cookies"),
        ({"user": "root; daemon on"}, "user"),
        ({"default_upstream": "nowhere"}, "nowhere"),
        ({"upstreams": (*CONFIG.upstreams, Upstream("monolith", ("a:1",)))}, "twice"),
        ({"upstreams": (*CONFIG.upstreams, Upstream("fig_x", ("a:1",)))}, "fig_"),
        ({"upstreams": (*CONFIG.upstreams, Upstream("x", ()))}, "no servers"),
        ({"upstreams": (*CONFIG.upstreams, Upstream("x", ("a:1 backup",)))}, "not an address"),
        ({"domains": (*CONFIG.domains, CONFIG.domains[0])}, "twice"),
        ({"domains": (Domain("Catalog", (Route("/x"),), "monolith", "catalog"),)}, "lower-case"),
        ({"domains": (Domain("x", (Route("/x"),), "monolith", "monolith"),)}, "both sides"),
        ({"domains": (Domain("x", (), "monolith", "catalog"),)}, "no routes"),
        ({"domains": (Domain("x", (Route("/x/"),), "monolith", "catalog"),)}, "/x/"),
        ({"domains": (Domain("x", (Route("/"),), "monolith", "catalog"),)}, "path"),
        ({"domains": (Domain("x", (Route("/a/../b"),), "monolith", "catalog"),)}, "path"),
        ({"domains": (Domain("x", (Route('/a";'),), "monolith", "catalog"),)}, "path"),
        ({"domains": (Domain("x", (Route("/a"),), "monolith", "catalog", ("b",)),)}, "path"),
        ({"domains": (Domain("x", (Route("/a", ("get",)),), "monolith", "catalog"),)}, "capitals"),
        *(
            ({"domains": (Domain("x", (Route("/x"),), "monolith", "catalog", canary=canary),)}, word)
            for canary, word in (
                (Canary(applied_age_ms=0), "applied_age_ms"),
                (Canary(first_byte_ms=-1), "first_byte_ms"),
                (Canary(always=(Cohort("header", "x"),)), "cohort header"),
                (Canary(never=(Cohort("cookie", "x", "a-b"),)), "cohort cookie"),
                (Canary(never=(Cohort("host", "Shop:80"),)), "cohort host"),
                (Canary(never=(Cohort("path", "x"),)), "cohort path"),
                (Canary(never=(Cohort("cookie", "", "x"),)), "cohort cookie"),
            )
        ),
        ({"tls": Tls(Path("shown.pem"), Path("/srv/shown.key"))}, "tls certificate"),
        ({"tls": Tls(Path("/srv/shown.pem"), Path("/srv/shown key"))}, "tls key"),
        ({"tls": Tls(*SHOWN, "80")}, "tls redirect"),
        ({"tls": Tls(*SHOWN, CONFIG.internal)}, "different"),
        ({"upstream_authorities": Path("x")}, "upstream_authorities"),
        ({"upstreams": (Upstream("x", ("a:1",), "Name"),)}, "tls_name"),
        ({"upstreams": (Upstream("x", ("a:1",), "x.internal"),)}, "vouch"),
        ({"identity": Identity(path="/x y")}, "identity path"),
        ({"identity": Identity(cookies=())}, "session cookie"),
        ({"identity": Identity(cookies=("a-b",))}, "letters"),
        ({"identity": Identity(seconds=0)}, "seconds"),
        ({"static": (Static("shop", Path("/srv/x")),)}, "static path"),
        ({"static": (Static("/a/../b", Path("/srv/x")),)}, "static path"),
        ({"static": (Static("/internal/x", Path("/srv/x")),)}, "not internal"),
        ({"static": (Static("/", Path("x")),)}, "static folder"),
        ({"static": (Static("/", Path("/srv/../etc")),)}, "static folder"),
        ({"static": (Static("/", Path("/srv/x"), "default-src $host"),)}, "directives"),
        ({"static": (Static("/x", Path("/srv/x")), Static("/x", Path("/srv/y")))}, "twice"),
    ],
)
def test_a_wrong_value_is_refused_by_name(changes, word):
    assert any(word in problem for problem in problems_of(**changes))


def test_one_route_cannot_belong_to_two_domains():
    other = Domain("other", (Route("/api/catalog"),), "monolith", "catalog")
    assert "belongs to 'catalog' and to 'other'" in problems_of(domains=(*CONFIG.domains, other))[0]


def test_all_problems_come_at_once():
    assert len(problems_of(public="x", worker_processes=0, default_upstream="nowhere")) == 3


@pytest.mark.parametrize("change", [{"extra": 1}, {"domains": [{"name": "x"}]}, {"limits": {"patience": 1}}])
def test_an_unreadable_document_is_refused(change):
    with pytest.raises(ConfigInvalid, match="not readable"):
        ProxyConfig.parse({**CONFIG.document(), **change})


def test_a_missing_name_is_refused():
    document = CONFIG.document()
    del document["upstreams"]
    with pytest.raises(ConfigInvalid, match="upstreams"):
        ProxyConfig.parse(document)


@given(st.text(min_size=1, max_size=30))
def test_no_text_breaks_out_of_a_printed_value(text):
    for change in (
        {"public": text},
        {"user": text},
        {"folder": Path(text)},
        {"domains": (Domain(text, (Route("/x"),), "monolith", "catalog"),)},
        {"domains": (Domain("x", (Route(text),), "monolith", "catalog"),)},
        {"domains": (Domain("x", (Route("/x", (text,)),), "monolith", "catalog"),)},
        {"identity": Identity(cookies=(text,))},
        {"static": (Static(text, Path("/srv/x")),)},
        {"static": (Static("/", Path(text)),)},
    ):
        try:
            config = replace(CONFIG, **change)
        except ConfigInvalid:
            continue
        assert not set(text) & set(" ;{}\"'$#\\\n\r\t")
        nginx_conf(config)


@given(st.text(min_size=1, max_size=30))
def test_no_policy_ends_the_quotes_that_it_is_printed_in(text):
    try:
        config = replace(CONFIG, static=(Static("/", Path("/srv/x"), text),))
    except ConfigInvalid:
        return
    assert not set(text) & set('"$\\\n\r\t')
    assert f'"{text}"' in nginx_conf(config)

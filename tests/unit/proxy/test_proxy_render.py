"""The rendered files; set FIG_UPDATE_GOLDEN=1 to write golden/nginx.conf anew, then read the difference."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import replace
from pathlib import Path

from proxy import render, script_settings
from proxy.routes import Upstream
from tests.unit.proxy.test_proxy_config import CONFIG

GOLDEN = Path(__file__).parent / "golden" / "nginx.conf"


def test_the_whole_file_is_as_agreed():
    text = render.nginx_conf(CONFIG, "user nobody nogroup;")
    if os.environ.get("FIG_UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_the_same_values_give_the_same_text_in_whatever_order_domains_come():
    turned = replace(CONFIG, domains=tuple(reversed(CONFIG.domains)))
    assert render.nginx_conf(turned) == render.nginx_conf(CONFIG)


def test_a_proxy_without_identity_asks_nobody():
    text = render.nginx_conf(replace(CONFIG, identity=None))
    assert "auth_request" not in text
    assert "$fig_peer" not in text


def test_a_single_server_is_always_tried_and_one_of_several_is_left_out_when_it_is_dead():
    text = render.nginx_conf(CONFIG)
    assert "server 127.0.0.1:7430 max_fails=0;" in text
    assert "server 127.0.0.1:7442 max_fails=1 fail_timeout=1s;" in text
    assert " backup" not in text


def test_processes_given_by_name_are_looked_up_again_only_where_somebody_can_be_asked():
    named = replace(CONFIG, upstreams=(*CONFIG.upstreams, Upstream("named", ("catalog-1:7441", "127.0.0.1:7442"))))
    assert "resolve" not in render.nginx_conf(named)
    text = render.nginx_conf(replace(named, resolver="127.0.0.11:53"))
    assert "resolver 127.0.0.11:53 valid=2s ipv6=off;" in text
    assert "server catalog-1:7441 max_fails=1 fail_timeout=1s resolve;" in text
    assert "server 127.0.0.1:7442 max_fails=1 fail_timeout=1s;" in text
    assert "zone fig_named 64k;" in text


def test_a_reload_cuts_no_request_that_is_still_held():
    text = render.nginx_conf(CONFIG)
    seconds = int(text.partition("worker_shutdown_timeout ")[2].partition("s;")[0])
    assert seconds * 1000 > 2 * CONFIG.limits.longest_hold_ms + CONFIG.limits.longest_mark_wait_ms


def test_the_scripts_learn_domains_sides_and_who_checks_sessions():
    script = script_settings.settings_json(CONFIG)
    settings = json.loads(script)
    assert settings["identity_domain"] == "users"
    assert settings["domains"]["catalog"] == {
        "owner": "monolith",
        "upstreams": {"monolith": "monolith", "service": "catalog"},
        "read_by": ["/api/payments"],
        "canary": {
            "salt": zlib.crc32(b"catalog"),
            "applied_age_ms": 5000,
            "always": [
                {"variable": "http_x_staff", "value": "yes", "below": False},
                {"variable": "uri", "value": "/api/catalog/tenants/one", "below": True},
            ],
            "never": [
                {"variable": "cookie_beta", "value": "off", "below": False},
                {"variable": "host", "value": "shop.example.org", "below": False},
            ],
        },
    }
    assert settings["domains"]["users"]["canary"] is None
    assert settings["domains"]["search"]["owner"] == "service"


def test_every_file_that_nginx_reads_is_there():
    assert set(render.files(CONFIG)) == {"nginx.conf", "settings.json", *render.SCRIPTS}

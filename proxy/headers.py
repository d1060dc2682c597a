"""Request headers that go on from a proxy: what only we may say is ours, whatever came from outside. Pure."""

from __future__ import annotations

# Request headers that only we may set are replaced or dropped on the way in. nginx knows no wildcard here, so
# these are the names that any server or framework gives a meaning to.
DROPPED = (
    "X-Fig-Fenced", "X-Fig-Shadow", "X-Fig-Mark", "X-Fig-Epoch", "X-Fig-Side", "X-Original-Method", "X-Original-URI",
    "Forwarded",
    "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server", "X-Forwarded-Ssl", "X-Forwarded-Scheme",
    "X-Forwarded-Protocol", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Uri",
    "X-Forwarded-Method", "X-Forwarded-Path", "X-Forwarded-By",
    "X-Forwarded-Client-Cert", "X-Forwarded-Access-Token", "X-Forwarded-Preferred-Username",
)  # fmt: skip


def headers(request_id: str, identity: str, admitted: str) -> list[tuple[str, str]]:
    """Name and value, as nginx writes it, of every header that is set, replaced or ('""') dropped."""
    return [
        ("Host", "$http_host"),
        ("Connection", '""'),
        ("X-Request-Id", request_id),
        ("traceparent", "00-$fig_trace-$fig_span-$fig_trace_flags"),
        ("tracestate", "$fig_trace_state"),
        ("X-Identity", identity),
        ("X-Fig-Admitted", admitted),
        ("X-Real-IP", "$remote_addr"),
        ("X-Forwarded-For", "$remote_addr"),
        ("X-Forwarded-Proto", "$scheme"),
        ("X-Forwarded-Host", "$http_host"),
        *((name, '""') for name in DROPPED),
    ]

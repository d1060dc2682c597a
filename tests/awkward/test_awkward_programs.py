"""The awkward monolith and its new service work by themselves, before any toolkit touches them."""

from __future__ import annotations

import io
import json

import pytest

from tests.awkward import monolith, nightly, service
from tests.awkward.databases import Databases


class Caller:
    """Calls a WSGI application in this process."""

    def __init__(self, application) -> None:
        self._application = application

    def __call__(self, method: str, path: str, **data: str):
        text = json.dumps(data).encode()
        status: list[str] = []
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "CONTENT_LENGTH": str(len(text)),
            "wsgi.input": io.BytesIO(text),
        }
        answer = b"".join(self._application(environ, lambda line, headers: status.append(line)))
        return int(status[0].split()[0]), json.loads(answer)


@pytest.fixture
def acme(awkward: Databases, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ACME_DATABASE_URL", awkward.acme.dsn("acme_app"))
    yield Caller(monolith.application)
    monolith.database().close()


@pytest.fixture
def book(awkward: Databases, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BOOK_DATABASE_URL", awkward.book.dsn("book_app"))
    yield Caller(service.application)
    service.database().close()


def test_the_monolith_keeps_accounts_entries_statements_and_an_audit(acme: Caller, awkward: Databases):
    status, member = acme("POST", "/members", email="a@example.org", name="A")
    assert status == 201
    assert acme("POST", "/members", email="A@EXAMPLE.ORG", name="B")[0] == 409
    ids = [acme("POST", "/ledger/accounts", member=member["id"], label=label)[1]["id"] for label in "xy"]
    assert acme("POST", "/ledger/accounts", member=member["id"], label="X")[0] == 409
    assert acme("POST", f"/ledger/accounts/{ids[0]}/entries", amount="100.10") == (201, {"number": 1})
    assert acme("POST", "/ledger/transfers", **{"from": ids[0], "to": ids[1], "amount": "0.10"})[0] == 201
    assert acme("POST", f"/ledger/accounts/{ids[1]}/entries", amount="-5000")[0] == 409
    assert nightly.main() == 0
    read = acme("GET", f"/ledger/accounts/{ids[0]}")[1]
    assert (read["balance"], [entry["kind"] for entry in read["entries"]]) == ("101.00", ["D", "T", "I"])
    assert acme("POST", f"/statements/{ids[0]}")[1]["closing"] == "101.00"
    assert acme("GET", f"/members/{member['id']}")[1]["wealth"] == "101.10"
    assert acme("DELETE", f"/members/{member['id']}")[0] == 409
    assert acme("POST", f"/ledger/accounts/{ids[1]}/close")[0] == 200
    assert [account["closed"] for account in acme("GET", "/ledger/accounts")[1]] == [True, False]
    with awkward.acme.connect() as db:
        assert db.execute("select count(*) from acme.audit_log").fetchone() == (8,)


def test_the_service_answers_as_the_monolith_does(acme: Caller, book: Caller):
    member = acme("POST", "/members", email="a@example.org", name="A")[1]["id"]
    answers = []
    for call in (acme, book):
        ids = [call("POST", "/ledger/accounts", member=member, label=label)[1]["id"] for label in "xy"]
        seen = [call("POST", "/ledger/accounts", member=member, label="X")[0]]
        seen.append(call("POST", f"/ledger/accounts/{ids[0]}/entries", amount="100.10", memo="m"))
        seen.append(call("POST", "/ledger/transfers", **{"from": ids[0], "to": ids[1], "amount": "0.10"}))
        seen.append(call("POST", f"/ledger/accounts/{ids[1]}/entries", amount="-5000"))
        seen.append(call("POST", f"/ledger/accounts/{ids[1]}/close")[0])
        for one in ids:
            account = call("GET", f"/ledger/accounts/{one}")[1]
            for entry in account["entries"]:
                entry["memo"] = (entry["memo"] or "").split(" ")[0]
            seen.append({k: v for k, v in account.items() if k not in ("id", "opened")})
        answers.append(seen)
    assert answers[0] == answers[1]

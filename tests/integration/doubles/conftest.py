"""The doubles as processes, emptied for each test, and a receiver for webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.doubles.control import MailControl, StripeControl, TwilioControl
from tests.doubles.process import running
from tests.integration.doubles.receiver import Receiver
from tests.support.postgres import free_port

API_KEY = "sk_test_for_tests"
SECRET = "whsec_for_tests"
ACCOUNT, TOKEN = "AC" + "1" * 32, "token-for-tests"


@pytest.fixture(scope="session")
def doubles_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the doubles' logs go. They stay empty: a double that failed where it was not told to is no double."""
    folder = tmp_path_factory.mktemp("doubles")
    yield folder
    assert {log.name: log.read_text(encoding="utf-8") for log in folder.iterdir() if log.stat().st_size} == {}


@pytest.fixture(scope="session")
def stripe_url(doubles_folder: Path) -> Iterator[str]:
    port = free_port()
    with running("stripe", port, doubles_folder / "stripe.log", "--api-key", API_KEY):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def stripe_control(stripe_url: str) -> StripeControl:
    control = StripeControl(stripe_url)
    control.reset()
    return control


@pytest.fixture(scope="session")
def twilio_url(doubles_folder: Path) -> Iterator[str]:
    port = free_port()
    environment = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN}
    with running("twilio", port, doubles_folder / "twilio.log", environment=environment):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def twilio_control(twilio_url: str) -> TwilioControl:
    control = TwilioControl(twilio_url)
    control.reset()
    return control


@pytest.fixture(scope="session")
def mail_ports(doubles_folder: Path) -> Iterator[tuple[int, int]]:
    """HTTP and SMTP."""
    port, smtp_port = free_port(), free_port()
    with running("mail", port, doubles_folder / "mail.log", "--smtp-port", str(smtp_port)):
        yield port, smtp_port


@pytest.fixture
def mail_control(mail_ports: tuple[int, int]) -> MailControl:
    control = MailControl(f"http://127.0.0.1:{mail_ports[0]}")
    control.reset()
    return control


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A shop's webhook endpoint that answers as told."""
    with ExitStack() as ending:
        yield ending.enter_context(Receiver.listening())

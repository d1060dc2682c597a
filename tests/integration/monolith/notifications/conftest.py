"""A shop with a mail server and a carrier, all real processes on real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.doubles.control import MailControl, TwilioControl
from tests.doubles.process import running
from tests.integration.monolith import elsewhere
from tests.integration.monolith.notifications.post import ACCOUNT, SENDER, Post
from tests.integration.monolith.shop import Shop
from tests.support.postgres import free_port


@pytest.fixture(scope="session")
def mail_ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """HTTP and SMTP."""
    port, smtp_port = free_port(), free_port()
    with running("mail", port, tmp_path_factory.mktemp("mail") / "log", "--smtp-port", str(smtp_port)):
        yield port, smtp_port


@pytest.fixture(scope="session")
def carrier_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    with running("twilio", port, tmp_path_factory.mktemp("twilio") / "log", environment=ACCOUNT):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def sending_shop(new_shop: Callable[..., Shop], mail_ports: tuple[int, int], carrier_url: str) -> Shop:
    smtp = f"smtp://127.0.0.1:{mail_ports[1]}"
    shop = new_shop(**ACCOUNT, TWILIO_BASE_URL=carrier_url, SMTP_URL=smtp, MAIL_FROM=SENDER)
    elsewhere.prepare_fences(shop)
    elsewhere.enroll(shop, "notifications", "owner")
    return shop


@pytest.fixture
def post(sending_shop: Shop, mail_ports: tuple[int, int], carrier_url: str) -> Post:
    elsewhere.own(sending_shop, "notifications", True)
    sending_shop.clear()
    mail, carrier = MailControl(f"http://127.0.0.1:{mail_ports[0]}"), TwilioControl(carrier_url)
    mail.reset()
    carrier.reset()
    return Post(sending_shop, mail, carrier)

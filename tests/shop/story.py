"""One day in the shop, through all four domains; whoever owns which of them, it goes the same way."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.control import MailControl, StripeControl, TwilioControl
from tests.load.purse import EMPTY_CARD, GOOD_CARD, Purse
from tests.support.clients import Answer, Client
from tests.support.stack import Stack
from tests.support.waiting import wait_until

ME, CART, ORDERS, PRODUCTS = "/api/users/me", "/api/payments/cart", "/api/payments/orders", "/api/catalog/products"
MESSAGES, UNREAD = "/api/notifications/messages", "/api/notifications/unread"
PASSWORD = "correct horse"
_number = itertools.count(1)


@dataclass
class Resident:
    """Somebody with one browser, who is logged in once and then for good."""

    client: Client
    user: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def signed_up(cls, url: str, role: str = "buyer") -> Resident:
        client = Client(url, keep_alive=False)
        name = f"resident-{next(_number)}-{uuid.uuid4().hex[:8]}"
        form = {"email": f"{name}@example.org", "password": PASSWORD, "name": name, "role": role}
        somebody = cls(client, expect(client.post("/api/users/signup", form), 201))
        client.csrf_token = somebody.get("/api/users/csrf")["csrf_token"]
        return somebody

    @property
    def email(self) -> str:
        return str(self.user["email"])

    def get(self, path: str) -> Any:
        return expect(self.client.get(path), 200)

    def post(self, path: str, body: object = None, status: int = 200) -> Any:
        return expect(self.client.post(path, body, {"Idempotency-Key": str(uuid.uuid4())}), status)

    def is_still_logged_in(self) -> None:
        assert self.get(ME) == self.user

    def offer(self, stock: int, title: str) -> int:
        form = {"title": title, "description": "", "category": "light", "price": "12.34", "stock": stock}
        return int(self.post(PRODUCTS, form, 201)["id"])

    def put_in_cart(self, product: int, quantity: int) -> None:
        expect(self.client.request("PUT", f"{CART}/items/{product}", {"quantity": quantity}), 200)

    def told(self) -> list[str]:
        return [message["subject"] for message in self.get(MESSAGES)["items"]]


def expect(answer: Answer, status: int) -> Any:
    assert answer.status == status, str(answer)
    return answer.json() if answer.body else None


class Town:
    """The doubles, and two people who were there before anything moved."""

    def __init__(self, stack: Stack) -> None:
        self.url = stack.env["FIG_PUBLIC_URL"]
        self.stripe = StripeControl(stack.env["STRIPE_ORIGIN"])
        self.twilio = TwilioControl(f"http://127.0.0.1:{stack.ports['twilio']}")
        self.mail = MailControl(f"http://127.0.0.1:{stack.ports['mail']}")
        self.seller = Resident.signed_up(self.url, "seller")
        self.buyer = Resident.signed_up(self.url)
        self.lamp = self.seller.offer(1000, "Lamp")
        self.sold = 0
        self.takings = self._taken()
        """Cents that buyers have paid and not got back: what there was, and by this book since."""

    def day(self) -> None:
        """A newcomer opens a stall; both sell; the buyer pays, gets a little back, and changes their mind once."""
        for resident in (self.seller, self.buyer):
            resident.is_still_logged_in()
        newcomer, product, title = self._newcomer()
        order = self._buys({self.lamp: 1, product: 2})
        refund = newcomer.post(f"{ORDERS}/{order}/refunds", {"amount": "1.00"}, 201)
        assert (refund["amount"], refund["state"]) == ("1.00", "made")
        self.takings += 3 * 1234 - 100
        self.sold += 1
        assert self._payment(order) == "partly_refunded"
        [sale] = newcomer.get("/api/payments/sales")["items"]
        assert (sale["order_id"], sale["title"], sale["total"]) == (order, title, "24.68")
        regretted = self._buys({self.lamp: 1})
        assert self.buyer.post(f"{ORDERS}/{regretted}/cancel")["state"] == "cancelled"
        wait_until(lambda: self._payment(regretted) == "refunded", 30, f"order {regretted} is paid back")
        assert self.seller.get(f"{PRODUCTS}/{self.lamp}")["stock"] == 1000 - self.sold
        assert newcomer.get(f"{PRODUCTS}/{product}")["stock"] == 3
        self._everybody_was_told(newcomer, order, regretted)
        assert expect(newcomer.client.post("/api/users/logout"), 204) is None
        assert newcomer.client.get(CART).status == 401

    def books_are_right(self) -> None:
        """Nobody was charged twice, and each mail came once."""
        charges = Counter(charge["payment_intent"] for charge in self.stripe.charges() if charge["paid"])
        assert set(charges.values()) <= {1}
        assert self._taken() == self.takings
        mails = Counter(mail["message_id"] for mail in self.mail.mails())
        assert set(mails.values()) <= {1}

    def _taken(self) -> int:
        taken = sum(charge["amount"] for charge in self.stripe.charges() if charge["paid"])
        return taken - sum(refund["amount"] for refund in self.stripe.refunds())

    def secrets(self) -> set[str]:
        """What nobody but those it belongs to should ever read."""
        texts = self.twilio.messages()
        return {
            PASSWORD,
            *(address for mail in self.mail.mails() for address in mail["to"]),
            *(text["to"] for text in texts),
            *(text["body"][:6] + " " for text in texts),
            *(intent["client_secret"] for intent in self.stripe.intents()),
            self.buyer.client.cookies["session"],
            self.buyer.client.csrf_token,
        }

    def _newcomer(self) -> tuple[Resident, int, str]:
        newcomer = Resident.signed_up(self.url)
        phone = f"+4915{uuid.uuid4().int % 10**9:09}"
        newcomer.post("/api/users/phone", {"phone": phone}, 202)
        [message] = self.twilio.messages(phone)
        newcomer.post("/api/users/phone/verify", {"code": message["body"][:6]})
        newcomer.user = newcomer.post("/api/users/seller")
        assert newcomer.user["role"] == "seller"
        # A word that nobody else uses, to be searched for.
        title = f"Teapot {uuid.uuid4().hex}"
        product = newcomer.offer(5, title)
        found = self.buyer.get(f"{PRODUCTS}?q={title.split()[1]}")["items"]
        assert [item["id"] for item in found] == [product]
        return newcomer, product, title

    def _buys(self, wanted: dict[int, int]) -> int:
        for product, quantity in wanted.items():
            self.buyer.put_in_cart(product, quantity)
        cart = self.buyer.get(CART)["items"]
        assert {line["product_id"]: line["quantity"] for line in cart} == wanted
        order = self.buyer.post("/api/payments/checkout", status=201)
        assert self.buyer.get(CART)["items"] == []
        config = self.buyer.get("/api/payments/config")
        purse = Purse.of(config["script"], config["publishable_key"])
        secret = order["payment"]["client_secret"]
        assert purse.pay(secret, EMPTY_CARD).status == 402
        expect(purse.pay(secret, GOOD_CARD), 200)
        wait_until(lambda: self._payment(order["id"]) == "paid", 30, f"order {order['id']} is paid")
        return int(order["id"])

    def _payment(self, order: int) -> str:
        return str(self.buyer.get(f"{ORDERS}/{order}")["payment"]["state"])

    def _everybody_was_told(self, newcomer: Resident, order: int, regretted: int) -> None:
        """Each once, as mail and in the list of messages."""
        sold = f"You have sold something: order {order}"
        expected = {
            (newcomer.email, "Welcome to the shop"),
            (newcomer.email, "Your phone number is verified"),
            (newcomer.email, sold),
            (self.seller.email, sold),
            (self.seller.email, f"You have sold something: order {regretted}"),
            *((self.buyer.email, f"Your order {number}") for number in (order, regretted)),
            *((self.buyer.email, f"Order {number} is paid") for number in (order, regretted)),
            *((self.buyer.email, f"Money back for order {number}") for number in (order, regretted)),
            (self.buyer.email, f"Order {regretted} is cancelled"),
        }

        def mails() -> Counter[tuple[str, str]]:
            return Counter((", ".join(mail["to"]), mail["subject"]) for mail in self.mail.mails())

        wait_until(lambda: expected <= set(mails()), 60, "everybody was told by mail")
        assert {told: number for told, number in mails().items() if told in expected and number > 1} == {}
        assert sorted(newcomer.told()) == sorted(subject for to, subject in expected if to == newcomer.email)
        assert newcomer.get(UNREAD) == {"unread": 3}
        newcomer.post(f"{MESSAGES}/read")
        assert newcomer.get(UNREAD) == {"unread": 0}

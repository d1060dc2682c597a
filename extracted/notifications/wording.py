"""What people are told about an event: a subject, a text, and for some a line for the phone. No IO.

Subjects hold nothing that people wrote; texts hold titles of products, each on one line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from extracted.notifications.errors import EventSaysTooLittle
from extracted.platform.event import Event

# A text message has room for little; a mail that lists more reads badly.
MOST_LINES = 20
LONGEST_TITLE = 100


class Topic(StrEnum):
    """What people can choose to hear of, or not to."""

    ORDERS = "orders"
    SALES = "sales"
    ACCOUNT = "account"
    SECURITY = "security"  # Nobody can choose not to hear of it.


@dataclass(frozen=True)
class Wording:
    topic: Topic
    subject: str
    text: str
    phone: str | None = None
    # To the address that was the user's before the event.
    farewell: str | None = None


Data = Mapping[str, Any]

FOOTER = "You choose what you hear from us in your account, under Messages."
NOT_YOU = "If this was not you, set a new password and log out everywhere, or answer this message at once."


def of(event: Event) -> Wording | None:
    """None: nobody needs to hear of it. Raises EventSaysTooLittle if it says too little."""
    write = WORDINGS.get(event.type)
    if write is None:
        return None
    try:
        return write(event.data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EventSaysTooLittle(f"{event.type} says too little ({type(error).__name__})") from None


def letter(name: str, body: str) -> str:
    """The whole mail, as it is sent to somebody of this name."""
    return f"Hello {_line(name)},\n\n{body}\n\nYour shop\n\n--\n{FOOTER}\n"


def signed_up(data: Data) -> Wording:
    return Wording(
        Topic.ACCOUNT,
        "Welcome to the shop",
        "Your account is ready: look around, fill your cart, and check out.\n\n"
        "You would like to sell something yourself? Verify your phone number in your account, and open your stall.",
    )


def password_changed(data: Data) -> Wording:
    return Wording(
        Topic.SECURITY,
        "Your password was changed",
        f"Your password was changed. Everywhere else you are logged out now.\n\n{NOT_YOU}",
    )


def email_changed(data: Data) -> Wording:
    require_text(data["old_email"])
    return Wording(
        Topic.SECURITY,
        "Your e-mail address was changed",
        f"From now on we write to you at this address, and you log in with it.\n\n{NOT_YOU}",
        farewell="Your account has another e-mail address now. This is our last message to the old one.\n\n"
        "If this was not you, answer this message at once: somebody else may be using your account.",
    )


def phone_verified(data: Data) -> Wording:
    return Wording(
        Topic.ACCOUNT,
        "Your phone number is verified",
        "Thank you, the number is yours. You can sell in the shop now, and choose to get text messages about your "
        f"orders and sales.\n\n{NOT_YOU}",
    )


def logged_out_everywhere(data: Data) -> Wording:
    return Wording(
        Topic.ACCOUNT,
        "You are logged out everywhere",
        f"All sessions of your account have ended, on all devices. Log in again where you like.\n\n{NOT_YOU}",
    )


def order_placed(data: Data) -> Wording:
    order, total = _order(data), euros(data["amount"])
    return Wording(
        Topic.ORDERS,
        f"Your order {order}",
        f"Thank you for your order {order}:\n\n{_lines(data)}\n\nTotal: {total}",
        f"Your order {order} is placed, {total}. Thank you!",
    )


def order_paid(data: Data) -> Wording:
    order, total = _order(data), euros(data["amount"])
    return Wording(
        Topic.ORDERS,
        f"Order {order} is paid",
        f"We have received your payment of {total} for order {order}. The sellers know, and will send your goods.",
        f"Your order {order} is paid, {total}. The sellers know.",
    )


def order_cancelled(data: Data) -> Wording:
    order = _order(data)
    return Wording(
        Topic.ORDERS,
        f"Order {order} is cancelled",
        f"Your order {order} is cancelled. You pay nothing; if you have paid already, you get the money back.",
        f"Your order {order} is cancelled.",
    )


def order_expired(data: Data) -> Wording:
    order = _order(data)
    return Wording(
        Topic.ORDERS,
        f"Order {order} was not paid in time",
        f"We kept the goods of order {order} for you for a while, but no payment has come. The order is cancelled, and "
        "you pay nothing. If you still want the goods, just order them again.",
        f"Your order {order} was not paid in time and is cancelled.",
    )


def order_refunded(data: Data) -> Wording:
    order, amount = _order(data), euros(data["amount"])
    return Wording(
        Topic.ORDERS,
        f"Money back for order {order}",
        f"You get {amount} back for order {order}, the way you paid. Your bank may take a few days to show it.",
        f"You get {amount} back for order {order}.",
    )


def order_sold(data: Data) -> Wording:
    order, amount = _order(data), euros(data["amount"])
    return Wording(
        Topic.SALES,
        f"You have sold something: order {order}",
        f"Somebody has bought from you in order {order}:\n\n{_lines(data)}\n\nYour share: {amount}\n\n"
        "Please send the goods soon.",
        f"You have sold something in order {order}, {amount}.",
    )


WORDINGS: Mapping[str, Callable[[Data], Wording]] = {
    "user.signed_up": signed_up,
    "user.password_changed": password_changed,
    "user.email_changed": email_changed,
    "user.phone_verified": phone_verified,
    "user.logged_out_everywhere": logged_out_everywhere,
    "order.placed": order_placed,
    "order.paid": order_paid,
    "order.cancelled": order_cancelled,
    "order.expired": order_expired,
    "order.refunded": order_refunded,
    "order.sold": order_sold,
}


def require_text(value: object) -> None:
    if not (isinstance(value, str) and value):
        raise ValueError("not a text")


def euros(cents: Any) -> str:
    if type(cents) is not int or cents < 0:
        raise ValueError("not an amount in cents")
    return f"{cents // 100}.{cents % 100:02} EUR"


def _order(data: Data) -> int:
    order = data["order_id"]
    if type(order) is not int:
        raise ValueError("not an order")
    return order


def _lines(data: Data) -> str:
    lines = data["lines"]
    shown = [f"  {line['quantity']} x {_line(line['title'])}" for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        shown.append(f"  and {len(lines) - MOST_LINES} more")
    return "\n".join(shown)


def _line(text: str) -> str:
    """What somebody wrote, on one line and not too long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TITLE else f"{line[: LONGEST_TITLE - 1]}…"

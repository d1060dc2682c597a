"""What each route of the API means: parameters in, one of Stripe's shapes out. No network.

`POSTS` and `GETS` are the whole API; `{}` in a path is an id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.doubles.stripe import cards, shapes
from tests.doubles.stripe.account import Account
from tests.doubles.stripe.errors import InvalidParameter, NotFound
from tests.doubles.stripe.objects import Charge, Intent, Refund
from tests.doubles.stripe.parameters import Parameters
from tests.doubles.stripe.shapes import Shape

Operation = Callable[[Account, Parameters, str], Shape]

_CREATE = {
    "amount", "currency", "automatic_payment_methods", "confirm", "customer", "description", "error_on_requires_action",
    "expand", "metadata", "off_session", "payment_method", "payment_method_types", "receipt_email", "return_url",
}  # fmt: skip
_PAGE = {"limit", "starting_after", "ending_before", "created", "expand"}
_REFUND_REASONS = (None, "duplicate", "fraudulent", "requested_by_customer")
_CANCEL_REASONS = (None, "duplicate", "fraudulent", "requested_by_customer", "abandoned")


def create_intent(account: Account, parameters: Parameters, _: str) -> Shape:
    parameters.only(_CREATE)
    currency = parameters.required("currency").lower()
    if len(currency) != 3 or not currency.isalpha():
        raise InvalidParameter(f"Invalid currency: {currency}.", param="currency")
    parameters.required("amount")
    method = parameters.text("payment_method")
    automatic = parameters.mapping("automatic_payment_methods")
    types = parameters.texts("payment_method_types")
    if types not in ([], ["card"]):
        raise InvalidParameter("This double plays cards only.", param="payment_method_types")
    intent = Intent(
        amount=parameters.integer("amount") or 0,
        currency=currency,
        created=0,
        method=account.method(method) if method else None,
        automatic_methods=not types,
        accepts_redirects=automatic.get("allow_redirects") != "never",
        customer=parameters.text("customer"),
        description=parameters.text("description"),
        receipt_email=parameters.text("receipt_email"),
        return_url=parameters.text("return_url"),
        metadata=parameters.mapping("metadata"),
    )
    confirm = parameters.flag("confirm")
    if intent.return_url and not confirm:
        raise InvalidParameter("This parameter can only be used with `confirm=true`.", param="return_url")
    fail_if_asked = parameters.flag("error_on_requires_action") or parameters.flag("off_session")
    account.create_intent(intent, confirm, fail_if_asked)
    return shapes.intent(intent, account.public_url, parameters.texts("expand"))


def update_intent(account: Account, parameters: Parameters, intent_id: str) -> Shape:
    """Metadata, description and receipt address; the rest is fixed here."""
    parameters.only({"metadata", "description", "receipt_email", "expand"})
    intent = account.intent(intent_id)
    intent.metadata = {**intent.metadata, **parameters.mapping("metadata")}
    if parameters.has("description"):
        intent.description = parameters.text("description")
    if parameters.has("receipt_email"):
        intent.receipt_email = parameters.text("receipt_email")
    return shapes.intent(intent, account.public_url, parameters.texts("expand"))


def confirm_intent(account: Account, parameters: Parameters, intent_id: str) -> Shape:
    parameters.only({"payment_method", "return_url", "error_on_requires_action", "off_session", "expand"})
    intent = account.intent(intent_id)
    name = parameters.text("payment_method")
    fail_if_asked = parameters.flag("error_on_requires_action") or parameters.flag("off_session")
    account.confirm(intent, account.method(name) if name else None, parameters.text("return_url"), fail_if_asked)
    return shapes.intent(intent, account.public_url, parameters.texts("expand"))


def cancel_intent(account: Account, parameters: Parameters, intent_id: str) -> Shape:
    parameters.only({"cancellation_reason", "expand"})
    reason = _reason(parameters, "cancellation_reason", _CANCEL_REASONS)
    intent = account.cancel(account.intent(intent_id), reason)
    return shapes.intent(intent, account.public_url, parameters.texts("expand"))


def create_refund(account: Account, parameters: Parameters, _: str) -> Shape:
    parameters.only({"payment_intent", "charge", "amount", "reason", "metadata", "expand"})
    reason = _reason(parameters, "reason", _REFUND_REASONS)
    charge = account.charge_to_refund(parameters.text("payment_intent"), parameters.text("charge"))
    refund = account.refund(charge, parameters.integer("amount"), reason, parameters.mapping("metadata"))
    return shapes.refund(refund)


def _reason(parameters: Parameters, name: str, known: tuple[str | None, ...]) -> str | None:
    reason = parameters.text(name)
    if reason not in known:
        raise InvalidParameter(f"Invalid {name}: must be one of {', '.join(filter(None, known))}", param=name)
    return reason


def create_method(account: Account, parameters: Parameters, _: str) -> Shape:
    """A card by its test number or token; date and CVC are not looked at."""
    parameters.only({"type", "card", "billing_details", "metadata", "expand"})
    if parameters.required("type") != "card":
        raise InvalidParameter("This double plays cards only.", param="type")
    given = parameters.mapping("card")
    card = cards.by_number(str(given.get("number", ""))) or cards.by_name(str(given.get("token", "")))
    if card is None:
        raise InvalidParameter("Your card number is incorrect.", code="incorrect_number", param="card[number]")
    return shapes.payment_method(account.create_method(card))


def get_method(account: Account, _: Parameters, method_id: str) -> Shape:
    return shapes.payment_method(account.method(method_id))


def get_intent(account: Account, parameters: Parameters, intent_id: str) -> Shape:
    return shapes.intent(account.intent(intent_id), account.public_url, parameters.texts("expand"))


def get_charge(account: Account, _: Parameters, charge_id: str) -> Shape:
    return shapes.charge(account.charge(charge_id))


def get_refund(account: Account, _: Parameters, refund_id: str) -> Shape:
    if refund_id not in account.refunds:
        raise NotFound(f"No such refund: '{refund_id}'", code="resource_missing")
    return shapes.refund(account.refunds[refund_id])


def list_intents(account: Account, parameters: Parameters, _: str) -> Shape:
    parameters.only(_PAGE | {"customer"})
    customer = parameters.text("customer")
    found = [one for one in account.intents.values() if customer in (None, one.customer)]
    expand = [name.removeprefix("data.") for name in parameters.texts("expand")]
    return _page("/v1/payment_intents", found, parameters, lambda one: shapes.intent(one, account.public_url, expand))


def list_charges(account: Account, parameters: Parameters, _: str) -> Shape:
    parameters.only(_PAGE | {"payment_intent"})
    intent = parameters.text("payment_intent")
    found = [one for one in account.charges.values() if intent in (None, one.intent.id)]
    return _page("/v1/charges", found, parameters, shapes.charge)


def list_refunds(account: Account, parameters: Parameters, _: str) -> Shape:
    parameters.only(_PAGE | {"payment_intent", "charge"})
    intent, charge = parameters.text("payment_intent"), parameters.text("charge")
    found = [
        one for one in account.refunds.values()
        if intent in (None, one.charge.intent.id) and charge in (None, one.charge.id)
    ]  # fmt: skip
    return _page("/v1/refunds", found, parameters, shapes.refund)


def _page(url: str, found: Iterable[Any], parameters: Parameters, shape: Callable[[Any], Shape]) -> Shape:
    """Newest first, in pages that start after (or end before) an id."""
    limit = parameters.integer("limit") or 10
    if not 1 <= limit <= 100:
        raise InvalidParameter("Limit must be between 1 and 100.", param="limit")
    rows: list[Intent | Charge | Refund] = [one for one in found if _in_time(one.created, parameters)][::-1]
    ids = [one.id for one in rows]
    after, before = parameters.text("starting_after"), parameters.text("ending_before")
    for name, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor and cursor not in ids:
            raise InvalidParameter(f"No such object: '{cursor}'", code="resource_missing", param=name)
    if before:
        end = ids.index(before)
        start = max(0, end - limit)
        return shapes.page(url, [shape(one) for one in rows[start:end]], start > 0)
    start = ids.index(after) + 1 if after else 0
    return shapes.page(url, [shape(one) for one in rows[start : start + limit]], start + limit < len(rows))


def _in_time(created: int, parameters: Parameters) -> bool:
    """`created[gte]=…` and its like."""
    bounds = Parameters(parameters.mapping("created"))
    bounds.only({"gt", "gte", "lt", "lte"})
    gt, gte, lt, lte = (bounds.integer(name) for name in ("gt", "gte", "lt", "lte"))
    return (
        (gt is None or created > gt) and (gte is None or created >= gte)
        and (lt is None or created < lt) and (lte is None or created <= lte)
    )  # fmt: skip


POSTS: dict[str, Operation] = {
    "/v1/payment_intents": create_intent,
    "/v1/payment_intents/{}": update_intent,
    "/v1/payment_intents/{}/confirm": confirm_intent,
    "/v1/payment_intents/{}/cancel": cancel_intent,
    "/v1/payment_methods": create_method,
    "/v1/refunds": create_refund,
}

GETS: dict[str, Operation] = {
    "/v1/payment_intents": list_intents,
    "/v1/payment_intents/{}": get_intent,
    "/v1/payment_methods/{}": get_method,
    "/v1/charges": list_charges,
    "/v1/charges/{}": get_charge,
    "/v1/refunds": list_refunds,
    "/v1/refunds/{}": get_refund,
}

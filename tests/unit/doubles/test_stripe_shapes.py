"""The double's objects have what the library says is always there, and nothing it has not heard of."""

from __future__ import annotations

import pytest
import stripe

from tests.doubles.stripe import shapes
from tests.doubles.stripe.account import Account
from tests.doubles.stripe.objects import Intent


def all_shapes() -> list[tuple[type[stripe.StripeObject], shapes.Shape]]:
    account = Account("http://double")
    method = account.method("pm_card_visa")
    intent = Intent(amount=1000, currency="eur", created=0, method=method, accepts_redirects=False)
    account.create_intent(intent, confirm=True)
    refund = account.refund(intent.charges[0], None, None, {})
    return [
        (stripe.PaymentIntent, shapes.intent(intent, "http://double")),
        (stripe.PaymentMethod, shapes.payment_method(method)),
        (stripe.Charge, shapes.charge(intent.charges[0])),
        (stripe.Refund, shapes.refund(refund)),
    ]


@pytest.mark.parametrize(("kind", "shape"), all_shapes(), ids=lambda one: getattr(one, "__name__", ""))
def test_a_shape_has_the_fields_of_the_library(kind: type[stripe.StripeObject], shape: shapes.Shape):
    known = {name: str(said) for name, said in kind.__annotations__.items() if name != "OBJECT_NAME"}
    # The library marks with NotRequired (or an old Optional) what an answer may leave out.
    always = {name for name, said in known.items() if "Optional" not in said and "NotRequired" not in said}
    assert always - shape.keys() == set()
    assert shape.keys() - known.keys() == set()

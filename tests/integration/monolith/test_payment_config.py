"""What a browser learns of Stripe: nothing in a shop that takes no money, never a secret in one that does."""

from __future__ import annotations

from tests.integration.monolith.shop import Shop

CONFIG = "/api/payments/config"


def test_a_shop_without_payments_has_nothing_to_load(shop: Shop) -> None:
    assert shop.visitor().get(CONFIG).get_json() == {"publishable_key": None, "script": None}


def test_a_shop_that_takes_payments_names_its_public_key_and_stripes_own_code(paying_shop: Shop) -> None:
    paying_shop.app.config["STRIPE_PUBLISHABLE_KEY"] = "pk_test_of_the_shop"
    answer = paying_shop.visitor().get(CONFIG)
    assert answer.get_json() == {"publishable_key": "pk_test_of_the_shop", "script": "https://js.stripe.com/v3/"}
    assert paying_shop.app.config["STRIPE_SECRET_KEY"] not in answer.get_data(as_text=True)

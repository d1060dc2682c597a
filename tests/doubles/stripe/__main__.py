"""python -m tests.doubles.stripe --port N"""

from __future__ import annotations

import click

from tests.doubles.serving import LOOPBACK, hold_back_endings, serve_until_told_to_stop
from tests.doubles.stripe.api import StripeDouble
from tests.doubles.stripe.schedule import Endpoint
from tests.doubles.stripe.webhooks import Webhooks


@click.command(help=__doc__)
@click.option("--host", default=LOOPBACK, show_default=True)
@click.option("--port", type=int, required=True)
@click.option("--api-key", envvar="STRIPE_SECRET_KEY", default="sk_test_double", show_envvar=True, show_default=True)
@click.option("--webhook-url", default="", help="Where events go; also to be set by the control API.")
@click.option("--webhook-secret", envvar="STRIPE_WEBHOOK_SECRET", default="whsec_double", show_envvar=True)
def main(host: str, port: int, api_key: str, webhook_url: str, webhook_secret: str) -> None:
    hold_back_endings()
    endpoint = Endpoint(url=webhook_url, secret=webhook_secret) if webhook_url else None
    double = StripeDouble(f"http://127.0.0.1:{port}", api_key, Webhooks(endpoint))
    serve_until_told_to_stop(double.app(), port, host)


main()

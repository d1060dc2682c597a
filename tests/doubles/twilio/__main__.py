"""python -m tests.doubles.twilio --port N"""

from __future__ import annotations

import click

from tests.doubles.serving import LOOPBACK, hold_back_endings, serve_until_told_to_stop
from tests.doubles.twilio.api import TwilioDouble

_ACCOUNT = "AC" + "0" * 32


@click.command(help=__doc__)
@click.option("--host", default=LOOPBACK, show_default=True)
@click.option("--port", type=int, required=True)
@click.option("--account-sid", envvar="TWILIO_ACCOUNT_SID", default=_ACCOUNT, show_envvar=True, show_default=True)
@click.option("--auth-token", envvar="TWILIO_AUTH_TOKEN", default="double", show_envvar=True, show_default=True)
def main(host: str, port: int, account_sid: str, auth_token: str) -> None:
    hold_back_endings()
    serve_until_told_to_stop(TwilioDouble(account_sid, auth_token).app(), port, host)


main()

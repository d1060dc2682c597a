"""python -m tests.doubles.mail --port N --smtp-port M"""

from __future__ import annotations

from dataclasses import asdict

import click
from aiosmtpd.controller import Controller

from tests.doubles.mail.sink import Mails, Sink
from tests.doubles.serving import LOOPBACK, hold_back_endings, serve_until_told_to_stop
from tests.doubles.web import Double, Part


@click.command(help=__doc__)
@click.option("--host", default=LOOPBACK, show_default=True)
@click.option("--port", type=int, required=True, help="HTTP: the page, control, /livez.")
@click.option("--smtp-port", type=int, required=True)
def main(host: str, port: int, smtp_port: int) -> None:
    hold_back_endings()
    mails = Mails()
    # The HTTP side has no routes of its own that could fail, so there is no body for an error.
    kept = {"mails": Part(mails.box, asdict)}
    double = Double("mail", kept, mails.lock, mails.reset, lambda status: {"detail": status})
    Controller(Sink(mails, double), hostname=host, port=smtp_port).start()
    serve_until_told_to_stop(double.ready(), port, host)


main()

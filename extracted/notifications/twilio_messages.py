"""Text messages over Twilio: one attempt, two deadlines, and an honest word on what came of it.

Twilio knows no idempotency key. Whoever repeats after a timeout may send twice, so nothing is repeated here.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from requests import ConnectTimeout, RequestException
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from urllib3.exceptions import NewConnectionError

from extracted.notifications.messages import Fate, Sending

log = logging.getLogger(__name__)

CONNECT_SECONDS, READ_SECONDS = 2.0, 5.0
# By how much clocks may differ, Twilio's from ours.
CLOCKS = timedelta(minutes=1)
MOST_LISTED = 100

# Not a number, region not permitted, unsubscribed, no route, not a mobile: nothing that a second try would change.
NUMBER_REFUSED = frozenset({21211, 21408, 21610, 21612, 21614})


class RedirectedHttpClient(TwilioHttpClient):
    """Twilio's own client with deadlines; with `base_url`, all requests go there instead of to Twilio."""

    def __init__(self, base_url: str) -> None:
        super().__init__(max_retries=0)
        # A pair, which the constructor would not take.
        self.timeout = (CONNECT_SECONDS, READ_SECONDS)
        self._base = urlsplit(base_url) if base_url else None
        if self._base:
            # What stands in for Twilio is near: no proxy of the environment is asked.
            self.session.trust_env = False

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        if self._base:
            url = urlsplit(url)._replace(scheme=self._base.scheme, netloc=self._base.netloc).geturl()
        return super().request(method, url, *args, **kwargs)


class TwilioMessages:
    """One for each process; its connections are kept and shared by the threads."""

    def __init__(self, account: str, token: str, sender: str, base_url: str = "") -> None:
        self._sender = sender
        self._http = RedirectedHttpClient(base_url)
        self._client = Client(account, token, http_client=self._http)

    def send(self, phone: str, text: str) -> Sending:
        try:
            message = self._client.messages.create(to=phone, from_=self._sender, body=text)
        except (TwilioRestException, TwilioServiceException) as error:
            return _refused(error)
        except RequestException as error:
            sending = Sending(Fate.FAILED if _never_left(error) else Fate.IN_DOUBT)
            log.warning("no answer from Twilio", extra={"fate": sending.fate, "reason": type(error).__name__})
            return sending
        except ValueError:
            log.error("an answer of Twilio's cannot be read")
            return Sending(Fate.IN_DOUBT)
        return Sending(Fate.SENT, message.sid)

    def sent(self, phone: str, text: str, since: datetime) -> list[str]:
        try:
            listed = self._client.messages.list(
                to=phone, from_=self._sender, date_sent_after=since - CLOCKS, limit=MOST_LISTED
            )
            return [message.sid for message in listed if message.sid and message.body == text]
        except (TwilioException, RequestException, ValueError) as error:
            log.warning("Twilio does not say what was sent", extra={"reason": type(error).__name__})
            return []

    def close(self) -> None:
        self._http.session.close()


def _refused(error: TwilioRestException | TwilioServiceException) -> Sending:
    """An answer of 400 and more. Its text may hold the number, and stays out of the logs."""
    if error.code in NUMBER_REFUSED:
        return Sending(Fate.REFUSED)
    fate = Fate.IN_DOUBT if error.status >= 500 else Fate.FAILED
    log.error("Twilio sends no message", extra={"fate": fate, "status": error.status, "code": error.code})
    return Sending(fate)


def _never_left(error: RequestException) -> bool:
    """Whether there was no connection to send anything over."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, ConnectTimeout) or isinstance(cause, NewConnectionError)

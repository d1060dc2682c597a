"""The entrypoints of notifications. Each reads the request, calls the business, and writes its answer."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from werkzeug.wrappers import Response

from extracted.notifications import schemas
from extracted.notifications.configuration import Configuration
from extracted.notifications.delivery import Delivery
from extracted.notifications.errors import REFUSALS
from extracted.notifications.hearing import Hearing
from extracted.notifications.history import History
from extracted.notifications.preferences import Preferences
from extracted.platform.database import Database
from extracted.platform.dependencies import DatabaseOf
from extracted.platform.event import Event
from extracted.platform.events import event_inbox
from extracted.platform.http import http
from extracted.platform.identity import require
from extracted.platform.openapi import api_description
from extracted.platform.problems import document
from extracted.platform.provided import Provided
from extracted.platform.request import Request
from extracted.platform.timers import owner_timer

API = api_description(Path(__file__).with_name("openapi.yml"))
ROOT = "/api/notifications"


def person(request: Request) -> int:
    """The id of who asks."""
    return require(request.identity, request.method, "buyer").user_id


class NotificationsService:
    name = "notifications"
    refusals = REFUSALS

    database: Database = DatabaseOf("NOTIFICATIONS_DATABASE_URL")
    outside: Configuration = Provided(Configuration.from_environment)

    @property
    def history(self) -> History:
        return History(self.database)

    @property
    def preferences(self) -> Preferences:
        return Preferences(self.database)

    @http("GET", f"{ROOT}/openapi.json")
    def describe(self, request: Request) -> Response:
        return Response(API, content_type="application/json")

    @http("GET", f"{ROOT}/messages")
    def list_messages(self, request: Request) -> Response:
        user_id, form = person(request), request.query(schemas.MessageQuery)
        return document(schemas.page_document(self.history.page(user_id, form.limit, form.after())))

    @http("GET", f"{ROOT}/unread")
    def count_unread(self, request: Request) -> Response:
        return document({"unread": self.history.unread(person(request))})

    @http("POST", f"{ROOT}/messages/read")
    def read_all(self, request: Request) -> Response:
        """No body is read."""
        user_id = person(request)
        self.history.read_all(user_id)
        return document({"unread": self.history.unread(user_id)})

    @http("POST", f"{ROOT}/messages/<key:message_id>/read")
    def read_message(self, request: Request, message_id: UUID) -> Response:
        """No body is read."""
        return document(schemas.message_document(self.history.read(person(request), message_id)))

    @http("GET", f"{ROOT}/preferences")
    def get_preferences(self, request: Request) -> Response:
        return document(schemas.preferences_document(self.preferences.of(person(request))))

    @http("PATCH", f"{ROOT}/preferences")
    def change_preferences(self, request: Request) -> Response:
        user_id = person(request)
        chosen = request.json_body(schemas.PreferencesForm).chosen()
        return document(schemas.preferences_document(self.preferences.change(user_id, chosen)))

    @event_inbox(sources=("users", "payments"))
    def receive(self, event: Event) -> None:
        Hearing(self.database).take(event)

    @owner_timer(0.5)
    def send(self) -> None:
        Delivery(self.database, self.outside).run()

    @owner_timer(60)
    def tidy(self) -> None:
        Hearing(self.database).forget()

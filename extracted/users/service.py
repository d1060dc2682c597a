"""The users' entrypoints. Each reads the request, calls the business, and writes its answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path

from werkzeug.wrappers import Response

from extracted.platform.database import Database
from extracted.platform.dependencies import DatabaseOf
from extracted.platform.http import http
from extracted.platform.openapi import api_description
from extracted.platform.problems import document
from extracted.platform.provided import Provided
from extracted.platform.request import Request
from extracted.platform.timers import owner_timer
from extracted.users import schemas
from extracted.users.accounts import Accounts
from extracted.users.addresses import client_address
from extracted.users.configuration import Configuration
from extracted.users.errors import REFUSALS
from extracted.users.limits import Limits
from extracted.users.login import Login
from extracted.users.passwords import hash_password
from extracted.users.phone import Phones
from extracted.users.sessions import Visit
from extracted.users.statement import statement
from extracted.users.tidying import tidy

API = api_description(Path(__file__).with_name("openapi.yml"))
USERS = "/api/users"
INTERNAL = "/internal/users"
TIDYING_SECONDS = 60.0

Method = Callable[["UsersService", Request, Visit], Response]


def visited(method: str, path: str) -> Callable[[Method], Callable[..., Response]]:
    """An entrypoint for browsers: their session, its token if one is needed, and their cookies in every answer."""

    def decorate(function: Method) -> Callable[..., Response]:
        @wraps(function)
        def serve(service: UsersService, request: Request) -> Response:
            visit = service.visit(request)
            # A refusal carries cookies, too.
            request.finishing.append(visit.finish)
            visit.check_csrf()
            return function(service, request, visit)

        return http(method, path)(serve)

    return decorate


class UsersService:
    name = "users"
    refusals = REFUSALS

    database: Database = DatabaseOf("USERS_DATABASE_URL")
    configuration: Configuration = Provided(Configuration.from_environment)

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.database)

    @property
    def limits(self) -> Limits:
        return Limits(self.database, self.configuration.secret_key)

    def visit(self, request: Request) -> Visit:
        configuration = self.configuration
        return Visit(request, configuration.cookie_keys, self.accounts.find, configuration.secure_cookies)

    def address(self, request: Request) -> str:
        """Where this request came from."""
        forwarded = request.headers.get("X-Real-IP", "")
        return client_address(request.remote_addr or "", forwarded, self.configuration.trusted_proxies)

    def login(self, request: Request) -> Login:
        return Login(self.database, self.limits, self.address(request))

    def phones(self, request: Request) -> Phones:
        configuration, address = self.configuration, self.address(request)
        return Phones(self.database, self.limits, configuration.messages, configuration.secret_key, address)

    @http("GET", f"{USERS}/openapi.json")
    def describe(self, request: Request) -> Response:
        return Response(API, content_type="application/json")

    @visited("POST", f"{USERS}/signup")
    def sign_up(self, request: Request, visit: Visit) -> Response:
        form = request.json_body(schemas.SignUpForm)
        account = self.accounts.open(form.email, hash_password(form.password), form.name, form.role)
        visit.begin(account)
        return document(schemas.account_document(account), 201)

    @visited("POST", f"{USERS}/login")
    def log_in(self, request: Request, visit: Visit) -> Response:
        form = request.json_body(schemas.LoginForm)
        account = self.login(request).authenticate(form.email, form.password)
        visit.begin(account, form.remember)
        return document(schemas.account_document(account))

    @visited("POST", f"{USERS}/logout")
    def log_out(self, request: Request, visit: Visit) -> Response:
        """Ends every session of the user, so that a copied cookie is worth nothing afterwards."""
        self.accounts.end_sessions(visit.require().id)
        visit.end()
        return Response(status=204)

    @visited("GET", f"{USERS}/me")
    def me(self, request: Request, visit: Visit) -> Response:
        return document(schemas.account_document(self.accounts.get(visit.require().id)))

    @visited("PATCH", f"{USERS}/me")
    def rename(self, request: Request, visit: Visit) -> Response:
        account_id = visit.require().id
        account = self.accounts.rename(account_id, request.json_body(schemas.ProfileForm).name)
        return document(schemas.account_document(account))

    @visited("POST", f"{USERS}/email")
    def change_email(self, request: Request, visit: Visit) -> Response:
        account_id = visit.require().id
        form = request.json_body(schemas.EmailForm)
        self.login(request).confirm(account_id, form.password)
        return document(schemas.account_document(self.accounts.change_email(account_id, form.email)))

    @visited("POST", f"{USERS}/password")
    def change_password(self, request: Request, visit: Visit) -> Response:
        """Ends every other session of the user; this one, with its token, goes on in the new epoch."""
        account_id = visit.require().id
        form = request.json_body(schemas.PasswordForm)
        confirmed = self.login(request).confirm(account_id, form.current_password)
        visit.go_on(self.accounts.change_password(account_id, confirmed, hash_password(form.new_password)))
        return Response(status=204)

    @visited("POST", f"{USERS}/phone")
    def send_code(self, request: Request, visit: Visit) -> Response:
        account_id = visit.require().id
        expires_at, fate = self.phones(request).send_code(account_id, request.json_body(schemas.PhoneForm).phone)
        return document(schemas.code_document(expires_at, fate), 202)

    @visited("POST", f"{USERS}/phone/verify")
    def verify_phone(self, request: Request, visit: Visit) -> Response:
        account_id = visit.require().id
        self.phones(request).verify(account_id, request.json_body(schemas.CodeForm).code)
        return document(schemas.account_document(self.accounts.get(account_id)))

    @visited("POST", f"{USERS}/seller")
    def become_seller(self, request: Request, visit: Visit) -> Response:
        """No body is read. Repeating it changes nothing."""
        account = self.accounts.make_seller(visit.require().id)
        visit.announce_role(account.role)
        return document(schemas.account_document(account))

    @visited("GET", f"{USERS}/csrf")
    def csrf(self, request: Request, visit: Visit) -> Response:
        return document({"csrf_token": visit.csrf_token()}, headers={"Cache-Control": "no-store"})

    @http("GET", f"{INTERNAL}/session")
    def session_statement(self, request: Request) -> Response:
        """For the proxy: who sent the request whose cookie, token and method these are."""
        method = request.headers.get("X-Original-Method", "GET").upper()
        answer = Response(status=204)
        if stated := statement(self.visit(request), method, self.configuration.signing_key):
            answer.headers["X-Identity"] = stated
        return answer

    @http("GET", f"{INTERNAL}/<id:account_id>/contact")
    def contact(self, request: Request, account_id: int) -> Response:
        """For other domains: how to reach a user; the phone only if it was proved."""
        return document(schemas.contact_document(self.accounts.get(account_id)))

    @owner_timer(TIDYING_SECONDS)
    def tidy(self) -> None:
        tidy(self.database)

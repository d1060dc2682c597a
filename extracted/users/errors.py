"""What accounts refuse, and the one table that says which HTTP status each refusal is."""

from __future__ import annotations

from collections.abc import Mapping

from extracted.platform.problems import NotFound, Refusal


class AccountNotFound(NotFound):
    def __init__(self, account_id: int) -> None:
        super().__init__(f"There is no user {account_id}.")


class WrongCredentials(Refusal):
    code = "wrong-credentials"
    title = "E-mail address and password do not match."
    next_step = "Check both and try again."

    def __init__(self) -> None:
        super().__init__("E-mail address and password do not match.")


class WrongPassword(Refusal):
    code = "wrong-password"
    title = "This is not your password."
    next_step = "Check it and try again."


class WrongCode(Refusal):
    code = "wrong-code"
    title = "This is not the code that was sent."
    next_step = "Look at the newest message and try again."

    def __init__(self, attempts_left: int) -> None:
        super().__init__(
            f"This is not the code; {attempts_left} attempts are left.",
            attempts_left=attempts_left,
        )


class EmailTaken(Refusal):
    code = "email-taken"
    title = "There is an account with this e-mail address."
    next_step = "Log in, or choose another address."

    def __init__(self) -> None:
        super().__init__("There is an account with this e-mail address already.")


class NoCode(Refusal):
    code = "no-code"
    title = "There is no code to check against."
    next_step = "Ask for one with POST /api/users/phone."

    def __init__(self) -> None:
        super().__init__("No code was sent.")


class CodeUsed(Refusal):
    code = "code-used"
    title = "This code was used before."
    next_step = "Nothing to do if it was you; for another number ask for a new code."

    def __init__(self) -> None:
        super().__init__("This code was used before.")


class CodeExpired(Refusal):
    code = "code-expired"
    title = "The code is too old."
    next_step = "Ask for a new one with POST /api/users/phone."

    def __init__(self) -> None:
        super().__init__("A code is valid for 5 minutes.")


class CodeExhausted(Refusal):
    code = "code-exhausted"
    title = "The code was tried too often."
    next_step = "Ask for a new one with POST /api/users/phone."

    def __init__(self, attempts: int) -> None:
        super().__init__(f"A code can be tried {attempts} times.")


class PhoneNotVerified(Refusal):
    code = "phone-not-verified"
    title = "There is no verified phone number."
    next_step = "Verify one with POST /api/users/phone and POST /api/users/phone/verify."

    def __init__(self) -> None:
        super().__init__("Sellers have a verified phone number.")


class TooManyRequests(Refusal):
    code = "too-many-requests"
    title = "Too many attempts."
    next_step = "Wait as long as Retry-After says, and try again."

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many attempts. The next one is possible in {retry_after} s.")
        self.retry_after = retry_after


class MessagesNotConfigured(Refusal):
    code = "messages-not-configured"
    title = "This shop cannot send text messages."
    next_step = "Its operator sets TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM."

    def __init__(self) -> None:
        super().__init__("This shop has no account with Twilio.")


class MessagesUnavailable(Refusal):
    code = "messages-unavailable"
    title = "Text messages cannot be sent right now."
    next_step = "Ask for another code later."
    retry_after = 60

    def __init__(self) -> None:
        super().__init__("The message could not be sent.")


REFUSALS: Mapping[type[Refusal], int] = {
    WrongCredentials: 401,
    WrongCode: 403,
    WrongPassword: 403,
    AccountNotFound: 404,
    CodeExhausted: 409,
    CodeExpired: 409,
    CodeUsed: 409,
    EmailTaken: 409,
    NoCode: 409,
    PhoneNotVerified: 409,
    TooManyRequests: 429,
    MessagesNotConfigured: 503,
    MessagesUnavailable: 503,
}

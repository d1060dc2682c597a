"""One users service for the tests of this folder, beside those of the contract."""

from tests.contract.users.conftest import both, issuer, running_carrier, shared

__all__ = ["both", "issuer", "running_carrier", "shared"]

"""The same shops as in the integration tests."""

from tests.integration.monolith.conftest import identity_key, prepared_server, shared_shop, shop

__all__ = ["identity_key", "prepared_server", "shared_shop", "shop"]

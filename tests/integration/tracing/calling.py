"""A service that asks another one by Nameko's RPC, as any service on the chassis may."""

from __future__ import annotations

from typing import Any

from nameko.exceptions import RemoteError
from nameko.rpc import RpcProxy
from werkzeug.wrappers import Response

from extracted.platform import spans
from extracted.platform.http import http
from extracted.platform.problems import document
from extracted.platform.request import Request


class CallingService:
    name = "calling"

    catalog: Any = RpcProxy("catalog")

    @http("GET", "/asks/<id:product_id>")
    def ask(self, request: Request, product_id: int) -> Response:
        """Twice: as a step of its own, and without one."""
        known = []
        with spans.step("catalog/product", "CLIENT", {"rpc.system": "nameko"}):
            known.append(self._knows(product_id))
        known.append(self._knows(product_id))
        return document({"known": known})

    def _knows(self, product_id: int) -> bool:
        try:
            self.catalog.product(product_id)
        except RemoteError:
            return False
        return True

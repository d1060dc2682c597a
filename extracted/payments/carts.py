"""The cart: rows that name products of the catalog's."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from extracted.payments.errors import CartFull, NotAvailable, ProductNotFound
from extracted.payments.stock import Catalog, Product
from extracted.platform.database import Database

LARGEST_CART = 100

_PUT = text("""
    insert into cart_item (user_id, product_id, quantity) values (:user_id, :product_id, :quantity)
    on conflict (user_id, product_id) do update set quantity = excluded.quantity
    returning (select count(*) from cart_item where user_id = :user_id and product_id <> :product_id)
""")
_REMOVE = text("delete from cart_item where user_id = :user_id and product_id = :product_id")
_ITEMS = text("select product_id, quantity from cart_item where user_id = :user_id order by product_id")


@dataclass(frozen=True, slots=True)
class Item:
    product_id: int
    quantity: int
    product: Product

    @property
    def is_available(self) -> bool:
        return self.product.is_for_sale and self.product.stock >= self.quantity


class Carts:
    def __init__(self, database: Database, catalog: Catalog) -> None:
        self._database = database
        self._catalog = catalog

    def put(self, user_id: int, product_id: int, quantity: int) -> None:
        product = self._catalog.look_up([product_id]).get(product_id)
        if product is None:
            raise ProductNotFound(product_id)
        if not product.is_for_sale:
            raise NotAvailable(f"Product {product_id} is not for sale.", product_id=product_id)
        values = {"user_id": user_id, "product_id": product_id, "quantity": quantity}
        with self._database.write() as connection:
            if connection.execute(_PUT, values).scalar_one() >= LARGEST_CART:
                raise CartFull(f"A cart holds at most {LARGEST_CART} different products.")

    def remove(self, user_id: int, product_id: int) -> None:
        with self._database.write() as connection:
            connection.execute(_REMOVE, {"user_id": user_id, "product_id": product_id})

    def products(self, user_id: int) -> dict[int, Product]:
        """What is known of the products in a cart."""
        return self._catalog.look_up(self._quantities(user_id))

    def items(self, user_id: int) -> list[Item]:
        """At present titles and prices."""
        quantities = self._quantities(user_id)
        products = self._catalog.look_up(quantities)
        return [Item(one, quantities[one], products[one]) for one in quantities if one in products]

    def _quantities(self, user_id: int) -> dict[int, int]:
        with self._database.read() as connection:
            return {row.product_id: row.quantity for row in connection.execute(_ITEMS, {"user_id": user_id})}

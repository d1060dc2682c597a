"""What the doubles of Stripe and of the mail server know, beside what the shop's own rows say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psycopg

from tests.doubles.control import MailControl, StripeControl
from tests.support.history.records import Charge, GivenBack, Letter, Outside, Purchase, Refund

PURCHASES = """
    select o.id, u.email, coalesce(sold.sellers, '{}'), coalesce(sold.cents, 0), coalesce(p.intent, ''),
           coalesce(p.state, '')
    from orders o join users u on u.id = o.user_id left join payments p on p.order_id = o.id
    left join lateral (
        select array_agg(distinct s.email order by s.email) as sellers,
               sum(l.quantity * l.unit_price * 100)::bigint as cents
        from order_lines l join users s on s.id = l.seller_id where l.order_id = o.id) sold on true
    where p.order_id is not null or u.email = any(%s)"""
REFUNDS = "select order_id, coalesce(key::text, ''), state, amount from refunds order by id"
UNTOLD = """
    select (select count(*) from notification_messages where state in ('pending', 'sending')),
           (select count(*) from refunds where state = 'intended'),
           (select count(*) from payments where state in ('expiring', 'cancelling'))"""
DOUBTFUL = "select coalesce(reference, id::text) from notification_messages where state = 'in_doubt'"


@dataclass(frozen=True)
class World:
    """`shop` is the monolith's database, which holds all that the services' hold once both are at rest."""

    shop: str
    stripe: StripeControl
    mail: MailControl

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> World:
        return cls(
            environment["FIG_MONOLITH_DSN"],
            StripeControl(environment["STRIPE_ORIGIN"]),
            MailControl(f"http://127.0.0.1:{environment['PORT_MAIL']}"),
        )

    def has_settled(self) -> bool:
        """Nothing waits to be sent or given back."""
        with psycopg.connect(self.shop, autocommit=True) as connection:
            return connection.execute(UNTOLD).fetchone() == (0, 0, 0)

    def outside(self, people: Iterable[str]) -> Outside:
        """All payments there are, and all that `people` bought."""
        refunds = defaultdict(list)
        with psycopg.connect(self.shop, autocommit=True) as connection:
            for row in connection.execute(REFUNDS):
                refunds[row[0]].append(Refund(*row))
            purchases = {
                row[0]: Purchase(row[0], row[1], tuple(row[2]), row[3], row[4], row[5], tuple(refunds[row[0]]))
                for row in connection.execute(PURCHASES, [sorted(people)])
            }
            doubtful = frozenset(row[0] for row in connection.execute(DOUBTFUL))
        return Outside(
            purchases,
            tuple(Charge(one["payment_intent"], one["amount"], one["paid"]) for one in self.stripe.charges()),
            tuple(
                GivenBack(one["payment_intent"], one["amount"])
                for one in self.stripe.refunds()
                if one["status"] == "succeeded"
            ),
            tuple(Letter(", ".join(one["to"]), one["subject"], one["message_id"]) for one in self.mail.mails()),
            doubtful,
        )

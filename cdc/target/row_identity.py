"""By which of its columns a target row is found. Pure."""

from __future__ import annotations

from cdc.messages import Relation
from cdc.projection import Projection, Role


def identity_key(relation: Relation, projection: Projection) -> tuple[tuple[str, str], ...]:
    """What finds a target row: the projection's key, or, where the source's old rows have other columns only
    (REPLICA IDENTITY USING INDEX), these, if they come over as they are. Their index is as unique as the key."""
    identity = [column.name for column in relation.columns if column.is_identity]
    if relation.identity != "i" or {source for source, _target in projection.key} <= set(identity):
        return projection.key
    if projection.role is Role.PART or projection.only or projection.pinned or projection.only_with:
        return projection.key
    renamed = {c.sources[0]: c.target for c in projection.columns if c.expression == "{" + "".join(c.sources) + "}"}
    if not set(identity) <= renamed.keys():
        return projection.key
    return tuple((name, renamed[name]) for name in identity)

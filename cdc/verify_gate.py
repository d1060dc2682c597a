"""The exact pair of snapshots: both sides at the same point of the source's WAL, while they are written.

Two snapshots taken independently differ by what is on its way. So the verifier asks the stream's applier,
which lives in another process, for help. They talk by NOTIFY in the target's database, in JSON, one exchange
an id:

    verifier → applier: `fig_gate_<stream>`        applier → verifier: `fig_gate_<stream>_answer`

    1  {"id": I, "do": "hold"}
    2              {"id": I, "held": true, "lsn": "<end LSN of the last applied transaction>"}
    3  the verifier creates a temporary slot on the source; it is consistent at g and exports a snapshot,
       which sees exactly the transactions whose commit LSN is < g
    4  {"id": I, "do": "snapshot_at", "lsn": "<g>"}
    5              {"id": I, "snapshot": "<name>", "lsn": "<as in 2, now>"}
    6  {"id": I, "do": "done"}

What the applier does:

- `hold`: at the next boundary between source transactions it commits what it has, waits for the target's
  answers, answers (2), and applies nothing more. It goes on to confirm and to answer keepalives. A second
  `hold` while one is in progress is refused. It drops the hold by itself after HOLD_SECONDS.
- `snapshot_at`: it goes on, until everything with a commit LSN < g is applied: at the first Begin whose
  final_lsn is >= g, before applying it, or at a keepalive whose WAL end is >= g while no transaction is open.
  There it commits, waits for the target's answers, takes `pg_export_snapshot()` in a REPEATABLE READ
  transaction on a second connection, answers (5), and goes on at once. Without a hold for this id (it was
  dropped, or the process is a new one) it may have passed g already: it refuses.
- `done`: it ends the exporting transaction, or the hold, or the way to g, whatever it has for this id.
  It ends an exporting transaction by itself after SNAPSHOT_SECONDS. `done` is never answered.
- To refuse: {"id": I, "refused": "<reason, one sentence>"}.

The verifier, after (3), emits a transactional WAL message on the source (prefix `fig`, kind `probe`), so that
an idle stream reaches g too. If it dies anywhere, the two limits above undo everything.
"""

from __future__ import annotations

HOLD_SECONDS = 2.0
"""How long an applier stays held without hearing `snapshot_at`."""

SNAPSHOT_SECONDS = 10.0
"""How long an applier keeps an exported snapshot without hearing `done`."""


def request_channel(stream: str) -> str:
    """Where the applier listens."""
    return f"fig_gate_{stream}"


def answer_channel(stream: str) -> str:
    """Where the verifier listens."""
    return f"fig_gate_{stream}_answer"

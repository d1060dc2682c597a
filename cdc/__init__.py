"""Change data capture: keep the tables of one domain in step between two databases, through a lens.

The way of a row: `capture/source` (slot) -> `pgoutput` (bytes to messages) -> in `target/`: `binding` (messages to
changes of target rows) -> `runs` (changes to batches) -> `statements` (SQL) -> `apply` (one transaction with its
position); `session` is the loop. Where the target's constraints refuse a single step, `attempts` says what is tried
next: `parking`, then row by row. `lens/` says what a row becomes, `copying/` brings what was there before, `gate/`
stops a stream at a point, `comparing/` names what differs and puts it right.

    from cdc.spec import StreamSpec, Progress, StreamState, Guard
        StreamSpec(name, domain, source_dsn, target_dsn, slot, publication, origin, projections,
                   guard=None, heartbeat=0.1, kafka=None)
        Guard: Callable[[psycopg.Connection], str]      # target connection -> statement, once for each session
    from cdc import install
        install.install(spec) -> None                   # its tables, publication, origin; again at any time
        install.prepare_reverse(spec, patience=10.0) -> Position   # slot and position without rows: target owns
        install.accept_schema(spec) -> None             # after SchemaChanged, with a lens that fits
        install.remove(spec) -> None                    # slot, position, origin, publication
    from cdc.copying import snapshot
        snapshot.copy(spec, on_progress=..., afresh=False) -> Position   # slot and rows, by workers; then the position
        snapshot.read(target_connection, stream) -> tuple[SnapshotProgress, ...]   # with an estimate, for anybody
    from cdc.copying.refill import refill               # rows copied again while the stream runs, at exact points
        refill(spec, table, Range(after, upto), on_progress=...) -> Refilled
    from cdc.comparing.repair import explain, repair    # what `compare` has found: why, and put right
        explain(spec, projections, direction, differences) -> tuple[Named, ...]
        repair(spec, projections, direction, differences) -> Repaired
    from cdc.stream import Stream
        Stream(spec, on_progress=...).run(stop: threading.Event) -> None   # until `stop`, or a StreamError
    from cdc.target import skip                         # a change that cannot be applied: `error.change` names it
        skip.ask(spec, lsn, ordinal, who, why) -> None  # left out when the stream comes to it, once
        skip.skipped(target_connection, stream) -> list[Skipped]   # what was, with its key
    from cdc import position
        position.read(target_connection, stream) -> Position | None
    from cdc import control                             # what is decided about a stream
    from cdc.capture import watch, budget, losses       # a slot's WAL, and what it lost
        watch.look(source_connection, name, slot) -> Look
        watch.give_up(source_connection, name, slot, budget, look) -> str   # the slot away, the source's disk free

Through Kafka (docs/kafka.md): `kafka/topic_publisher` (slot) -> `debezium/envelope` -> topic -> `kafka/topic_reader` or
`kafka/partition_reader` -> `debezium/envelope_reader` (messages again) -> the same apply. Spec: kafka=
KafkaTransport(...).

    from cdc.kafka.transport import KafkaTransport, Mode
    from cdc.kafka.topic_publisher import TopicPublisher
        TopicPublisher(spec).run(stop)                  # beside Stream(spec), which then reads the topic
    from cdc.kafka.parallel_stream import ParallelStream
        ParallelStream(spec, on_progress=...).run(stop) # instead of Stream, in parallel mode
    from cdc.kafka import parallel_install
        parallel_install.begin_after_debezium(spec) -> Position   # Debezium's connector fills the topics

Beside the streams, events: inserts of an outbox table go to RabbitMQ (`outbox/`), each at least once.

    from cdc.outbox import install
        install.prepare(spec), passed(spec, lsn, within) -> bool, remove(spec)
    from cdc.outbox.publisher import Publisher
        Publisher(OutboxSpec(name, domain, dsn, table, broker_url)).run(stop)

Errors are `stream_errors`, `message_errors` and the `errors` of each folder; all are `CdcError` with `code`, `message`,
`next_step`.
Delivery: exactly once, because rows and position commit together; loops are cut by replication
origin, or by a message where origins are not allowed (`signature`).
"""

"""Messages from a stream's topic: the way through Kafka, in the source's order."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from cdc.capture.changes import Keepalive, Kept
from cdc.kafka import topic_place, topics
from cdc.kafka.errors import TopicLost
from cdc.kafka.topic_fetch import TopicFetch
from cdc.kafka.topic_reader import TopicReader
from cdc.kafka.topics import Topic
from cdc.messages import Message
from cdc.position import Position
from cdc.spec import StreamSpec
from cdc.stream_errors import ConnectionLost, NotSetUp, SetUpError


class TopicChanges:
    """A `ChangeSource` over one partition. There is nothing to confirm: the position is on the target alone."""

    def __init__(self, spec: StreamSpec) -> None:
        if spec.kafka is None:
            raise SetUpError(f"stream {spec.name} has no Kafka", "Set transport: kafka in fig.yml")
        self._spec, self._transport = spec, spec.kafka
        self._ready: deque[Message] = deque()
        self.size = 0
        self._fetch: TopicFetch | None = None

    def resume(self, position: Position | None) -> Position:
        """Behind what the target has applied, if the topic still is the same and has what follows."""
        spec = self._spec
        if position is None:
            raise NotSetUp(spec.name)
        topic = topics.look(self._transport, self._transport.topic, 1)
        if topic is None:
            raise ConnectionLost("Kafka", f"topic {self._transport.topic} is not there; its publisher makes it")
        kept = topic_place.read(spec)
        if kept is not None and kept.topic_id != topic.id:
            raise TopicLost(spec.name, topic.name, "it was deleted and made again")
        self._topic: Topic = topic
        place = kept.place if kept else None
        self._reader = TopicReader(spec.name, position.identity, position.lsn, place)
        self._told = dict(kept.announced) if kept else {}
        self._ready.extend(self._reader.know(self._told.values()))
        self._fetch = TopicFetch(self._transport, spec.name, topic, place.offset if place else None)
        return position

    def receive(self) -> Message | Keepalive | None:
        if self._ready:
            return self._ready.popleft()
        fetch = self._fetched
        while (record := fetch.next()) is not None:
            self.size = len(record.value or b"")
            found = self._reader.take(record)
            if found is not None:
                return found
        return None

    def send_status(self, flushed: int, applied: int, ask: bool = False) -> None:
        """Nobody waits for it."""

    def silence(self) -> float:
        """Kafka's own client sees to its connections, and says in `receive` when it gives up."""
        return 0.0

    def beside(self) -> Sequence[Kept]:
        kept = []
        if self._reader.announced != self._told:
            for oid, announced in self._reader.announced.items():
                if self._told.get(oid) != announced:
                    kept.append(topic_place.relation(self._spec.name, oid, announced))
            self._told = dict(self._reader.announced)
        if self._reader.place is not None:
            kept.append(topic_place.place(self._spec.name, self._topic.name, self._topic.id, self._reader.place))
        return kept

    @property
    def sockets(self) -> Sequence[int]:
        return (self._fetched.socket,)

    def close(self) -> None:
        if self._fetch is not None:
            self._fetch.close()

    @property
    def _fetched(self) -> TopicFetch:
        if self._fetch is None:
            raise NotSetUp(self._spec.name)
        return self._fetch

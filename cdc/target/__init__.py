"""On the way to a target: messages to changes of its rows, to statements, to transactions; and what it refuses."""

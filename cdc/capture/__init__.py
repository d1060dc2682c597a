"""At a source: its slot, its messages, what its log may cost, and whether a stream can go on from where it was."""

"""What other domains tell those that are here: `python -m legacy_monolith.events` takes it out of their inboxes."""

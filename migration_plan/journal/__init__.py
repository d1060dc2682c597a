"""Intents and outcomes, who acts and who may: the journal's database, which no decision goes past."""

"""Either side's database as a switch sees it: its row and its fence."""

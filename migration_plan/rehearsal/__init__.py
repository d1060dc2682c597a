"""`fig rehearse`: a domain's switch, forth and back, on throw-away copies of both sides under recorded traffic.

place.py     that stack: its folder, its ports, an environment in which nothing of the live one is left
copying.py   the live databases into its servers, without what fig has in them
traffic.py   reads that the live proxies have recorded, and the command that writes
performance.py  sync, then the rounds; counts what people would have seen
report.py    the outcome as a value, and whether it was good
run.py       all of it in order; nothing is left however it ends
"""

"""Defects that somebody could have made in a service, seeded one at a time: the suite has to find every one."""

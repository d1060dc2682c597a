"""What the values of a proxy's configuration look like."""

from __future__ import annotations

import re

# What may be printed into nginx.conf unquoted; everything else is refused, so that nothing needs escaping.
NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
ADDRESS = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}|unix:/[A-Za-z0-9._/-]+")
PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
METHOD = re.compile(r"[A-Z]{1,20}")
COOKIE = re.compile(r"[A-Za-z0-9_]{1,64}")
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
HOST = re.compile(r"[a-z0-9.-]{1,253}")  # As nginx has it: in small letters, without port.
FOLDER = re.compile(r"/[A-Za-z0-9._/+@-]+")
USER = re.compile(r"[a-z_][a-z0-9_-]*")
# One line of directives; a quote, a backslash or a variable's dollar would end or change the printed value.
POLICY = re.compile(r"[A-Za-z0-9 ;:/.*'+=_-]+")

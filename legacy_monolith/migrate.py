"""`python -m legacy_monolith.migrate`: the newest schema, made as the owner of the tables."""

from __future__ import annotations

import argparse
from importlib.resources import files

from alembic import command
from alembic.config import Config

from legacy_monolith.settings import from_environment


def migrate(owner_url: str, revision: str = "head") -> None:
    config = Config()
    config.set_main_option("script_location", str(files("legacy_monolith") / "migrations"))
    config.attributes["url"] = owner_url
    command.upgrade(config, revision)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m legacy_monolith.migrate", description=__doc__)
    parser.add_argument("--revision", default="head", help="how far (default: %(default)s)")
    migrate(from_environment("MONOLITH_OWNER_URL"), parser.parse_args().revision)


if __name__ == "__main__":
    main()

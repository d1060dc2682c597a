"""What is in a block is what it says it is, whether or not it can be run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest
import yaml

from migration_plan.cli import main
from migration_plan.configuration import documents, plan, settings
from tests.docs.pages import DOCS, PROMPT, Block, all_blocks, blocks, pages, tokens
from tests.support.postgres import PostgresServer
from tests.support.stack import PROJECT

LANGUAGES = {"console", "yaml", "python", "sql", "text", "json", "nginx", "promql"}
KUBERNETES = "apiVersion"
PRINTED = DOCS / "reference"
"""From the code: usages and examples of `--help`."""

NOT_RUN = [block for page in pages() for block in blocks(page) if block.not_run]

_NEEDED = re.compile(r"\$\{(\w+)\}")


def ids(block: Block) -> str:
    return block.place


def test_every_block_says_what_it_is():
    wrong = [f"{block.place}: {block.language}" for page in pages() for block in blocks(page)
             if block.language not in LANGUAGES]  # fmt: skip
    assert not wrong


def test_whatever_is_typed_is_in_a_block_that_is_run():
    wrong = [
        block.place
        for block in all_blocks("text")
        if not block.page.is_relative_to(PRINTED)
        and any(line.startswith((PROMPT, "fig ", "make ")) for line in block.text.splitlines())
    ]
    assert not wrong


def test_only_commands_are_left_out_and_each_says_why(capsys: pytest.CaptureFixture[str]):
    with capsys.disabled():
        for block in NOT_RUN:
            print(f"\nnot run: {block.place}: {block.not_run}", end="")
    assert all(block.language == "console" for block in NOT_RUN)
    assert all(len(block.not_run.split()) > 3 for block in NOT_RUN), "a reason is a sentence"


def fig_commands(line: str) -> Iterator[list[str]]:
    """The arguments of each `fig` in a line of shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("();<>|&"):
            parts.append([])
        else:
            parts[-1].append(word)
    for words in parts:
        while words and (re.fullmatch(r"\w+=.*", words[0]) or words[0] in ("until", "while", "if", "do", "then", "!")):
            words.pop(0)
        if words and Path(words[0]).name == "fig":
            yield words[1:]


def parsed(arguments: list[str]) -> str:
    """What is wrong with a command line of fig; nothing is done."""
    command: click.Command = main
    rest, parent = arguments, None
    try:
        while True:
            context = command.make_context(command.name or "fig", list(rest), parent=parent)
            if not isinstance(command, click.Group):
                return ""
            rest = [*context._protected_args, *context.args]
            _, found, rest = command.resolve_command(context, rest)
            assert found is not None
            command, parent = found, context
    except click.exceptions.Exit:
        return ""  # --help
    except click.ClickException as error:
        return error.format_message()


@pytest.mark.parametrize("block", NOT_RUN, ids=ids)
def test_a_command_that_is_not_run_could_be_meant(block: Block):
    for command in block.commands:
        for arguments in fig_commands(command.typed):
            assert not parsed(arguments), f"{command.place}: fig {' '.join(arguments)}: {parsed(arguments)}"


def inline_commands() -> Iterator[tuple[str, list[str]]]:
    """Commands within sentences: `fig …`, without what stands for something else."""
    for page in pages():
        for token in tokens(page):
            for child in token.children or []:
                if child.type == "code_inline" and child.content.startswith("fig ") and "…" not in child.content:
                    line = token.map[0] + 1 if token.map else 0
                    yield f"{page.relative_to(PROJECT)}:{line}", child.content.split()[1:]


def test_commands_within_sentences_exist():
    wrong = []
    for place, words in inline_commands():
        command: click.Command = main
        for word in words:
            if not isinstance(command, click.Group):
                known = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
                if word.startswith("-") and word.partition("=")[0] not in known:
                    wrong.append(f"{place}: fig {' '.join(words)}: {word}")
                continue
            found = command.commands.get(word)
            if found is None:
                wrong.append(f"{place}: fig {' '.join(words)}")
                break
            command = found
    assert not wrong


@cache
def sample(file: str) -> Mapping[str, Any]:
    return documents.read(PROJECT / file)


def accepted(block: Block, part: Mapping[str, Any], tmp_path: Path) -> None:
    """A fragment of a plan or of fig.yml, put into the sample's own, is accepted as a whole."""
    texts = [block.text, *((PROJECT / file).read_text() for file in ("fig.yml", "docs/guide/catalog.yml"))]
    variables = {
        name: "1" if name.startswith("PORT_") else f"/{name}" for text in texts for name in _NEEDED.findall(text)
    }
    if set(part) <= set(plan.Plan.model_fields):
        file = tmp_path / "plan.yml"
        file.write_text(yaml.safe_dump({**sample("docs/guide/catalog.yml"), **part}, sort_keys=False))
        plan.load(file, variables)
    elif set(part) <= set(settings.Settings.model_fields):
        file = tmp_path / "fig.yml"
        whole = {**sample("fig.yml"), **part}
        file.write_text(yaml.safe_dump(whole))
        filled = documents.fill(file, documents.read(file), variables)
        documents.validate(file, settings.Settings, {**filled, "file": file})
    else:
        pytest.fail(f"{block.place}: neither of a plan, nor of fig.yml, nor of Kubernetes: {', '.join(part)}")


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=ids)
def test_a_fragment_of_settings_is_accepted(block: Block, tmp_path: Path):
    found = list(yaml.safe_load_all(block.text))
    for part in found:
        if KUBERNETES not in part:
            accepted(block, part, tmp_path)


@pytest.mark.parametrize("block", all_blocks("python"), ids=ids)
def test_python_is_python(block: Block):
    compile(block.text, block.place, "exec")


SQL = all_blocks("sql")


@pytest.mark.skipif(not SQL, reason="no page has any")
def test_sql_is_accepted_by_a_server(monolith_server: PostgresServer, new_database: Any):
    dsn = new_database(monolith_server)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in ("create database shop", "create role shop_owner"):
            connection.execute(statement)
        for block in SQL:
            with connection.transaction(force_rollback=True):
                connection.execute(block.text.encode())


def same(own: str, sample_file: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return documents.read(DOCS / "guide" / own), documents.read(PROJECT / sample_file)


def test_the_plan_of_the_guide_is_the_samples_with_every_stage_and_smaller_figures():
    ours, theirs = same("catalog.yml", "migration_plan/plans/catalog.yml")
    differs = {key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)}
    assert differs == {"stages", "gates", "shadow", "canary"}
    assert ours["shadow"]["routes"] == theirs["shadow"]["routes"]


def test_the_settings_of_the_guide_are_the_samples_with_one_plan():
    ours, theirs = same("fig.yml", "fig.yml")
    assert {key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)} == {"static", "plans"}
    assert ours["static"] == [{**one, "folder": f"../../{one['folder']}"} for one in theirs["static"]]

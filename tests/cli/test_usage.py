"""What is wrong with a command line is said in both languages, Chinese first, with the status for it."""

import re
import sys

import pytest

from cli.__main__ import COMMANDS, main
from cli.usage import chinese


def ran(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["meterloop", *words])
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0, re.sub(r"\s+", " ", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("line", "zh", "en"),
    [
        ("nothing", "没有命令 nothing。", "No such command 'nothing'."),
        ("site opn", "没有命令 opn。是否要用 'open'？", "Did you mean 'open'?"),
        ("up --prt 3", "没有选项 --prt。可用的是 --port。", "No such option: --prt"),
        ("up --port", "选项 --port 后须给出取值。", "requires an argument"),
        ("up --port q", "--port 须为整数。", "Invalid value for '--port'"),
        ("up extra", "多出参数 extra。", "unexpected extra argument"),
        ("token", "缺少选项 --role。可选：operator,", "Missing option '--role'."),
        ("token --role emperor", "--role 的取值不在可选之列。可选：'operator',", "is not one of 'operator'"),
        ("backup", "缺少参数 place。", "Missing argument 'place'."),
        ("import x --on 2026-99-99", "--on 的格式不符。应为 '%Y-%m-%d'。", "does not match the formats"),
        ("rebuild --view nothing", "没有视图", "no such view: nothing"),
        ("init --help=3", "选项 --help 不带取值。", "does not take a value"),
    ],
)
def test_a_wrong_command_line_is_said_in_both_languages(monkeypatch, capsys, line, zh, en):
    status, said = ran(monkeypatch, capsys, *line.split())
    assert status == 2
    assert 0 <= said.index(zh) < said.index(en)
    (usage,) = re.findall(r"用法 usage: meterloop ?(\w*) ?\w* --help", said)
    assert usage in {"", *COMMANDS}


def test_what_nobody_has_put_into_words_is_said_to_be_wrong_all_the_same():
    assert chinese("Something new.") == "命令行有误。"


@pytest.mark.parametrize(("line", "status"), [("--help", 0), ("up --help", 0), ("", 2), ("policy", 2)])
def test_help_is_shown_and_nothing_is_called_wrong(monkeypatch, capsys, line, status):
    ended, said = ran(monkeypatch, capsys, *line.split())
    assert ended == status
    assert "✗" not in said

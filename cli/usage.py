"""What is wrong with a command line, in both languages: the parser says it in English alone."""

import re
from typing import Final

from rich.text import Text
from typer.exceptions import TyperException

from cli.connection import console, say

_CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")
_WORDS: Final = (
    (re.compile(r"No such option: (\S+)(?: \(Possible options?: (.+)\))?"), "没有选项 {0}。", "可用的是 {0}。"),
    (re.compile(r"No such command '(.+?)'\.(?: Did you mean (.+)\?)?"), "没有命令 {0}。", "是否要用 {0}？"),
    (re.compile(r"Missing option '(.+?)'\.(?: Choose from:(.+))?"), "缺少选项 {0}。", "可选：{0}。"),
    (re.compile(r"Missing argument '(.+?)'\.(?: Choose from:(.+))?"), "缺少参数 {0}。", "可选：{0}。"),
    (re.compile(r"Option '(.+?)' requires .+"), "选项 {0} 后须给出取值。", ""),
    (re.compile(r"Option '(.+?)' does not take a value\."), "选项 {0} 不带取值。", ""),
    (re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.+)\)"), "多出参数 {0}。", ""),
    (
        re.compile(r"Invalid value for '(.+?)': .*?is not one of (.+?)\.?"),
        "{0} 的取值不在可选之列。",
        "可选：{0}。",
    ),
    (
        re.compile(r"Invalid value for '(.+?)': .*?does not match the formats (.+?)\.?"),
        "{0} 的格式不符。",
        "应为 {0}。",
    ),
    (re.compile(r"Invalid value for '(.+?)': .*valid integer.*"), "{0} 须为整数。", ""),
    (re.compile(r"Invalid value for '(.+?)': .*"), "{0} 的取值有误。", ""),
)
"""The parser's messages, and what they say: of what, and with what instead where they name it. The first that fits."""


def told_of_usage(error: TyperException, command: str) -> int:
    """Say what is wrong with the command line of `command`. Returns the exit status."""
    english = " ".join(error.format_message().split())
    # Without any word it has shown the help instead. What is ours says both.
    if _CHINESE.search(english):
        console.print(Text.assemble(("✗ ", "red"), english.removeprefix("Invalid value: ")))
    elif english:
        say(chinese(english), english)
    if english:
        console.print(Text.assemble(("→ ", "cyan"), f"用法 usage: {command} --help"))
    return error.exit_code


def chinese(english: str) -> str:
    """The same in Chinese; of what nobody has put into words only that it is wrong."""
    for pattern, words, instead in _WORDS:
        if found := pattern.fullmatch(english):
            what, *named = found.groups()
            return words.format(what) + "".join(instead.format(one.strip()) for one in named if one)
    return "命令行有误。"

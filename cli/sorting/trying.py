"""`meterloop sorting try` and `explain`: what a table comes to, and how a device came to its verdict."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.padding import Padding
from rich.text import Text

from cli.connection import REFUSED, USAGE, CannotGoOn, connect, explained
from cli.sorting.rules import Token, Url, rules_of_file, shown
from client import types
from kernel.principal import Role
from kernel.yaml_file import read_yaml
from services.sorting.cases import Case, Miss, combinations, misses
from services.sorting.decision import INPUTS, VerdictTable, spoken
from services.sorting.defaults import Cases
from services.sorting.vocabulary import DISPOSITIONS, Disposition

_EXPECTED: Final = "expected"
_OTHERS: Final = ("name", "rule")
_FEN_A_YUAN: Final = 100
_G_A_KG: Final = 1_000


def try_table(
    table: Annotated[Path, typer.Argument(help="决策表 YAML the decision table")],
    cases: Annotated[Path, typer.Argument(help="样例 YAML 或 CSV the cases")],
) -> None:
    """离线试决策表：每个样例应得的处置 Try a decision table offline: does each case come to what it should?"""
    with explained():
        rules = rules_of_file("verdict", table)
        assert isinstance(rules, VerdictTable)
        tried = _cases(cases)
        try:
            times = sum(1 for case in tried for _ in combinations(case))
            missed = list(misses(rules, tried))
        except ValueError as error:
            raise CannotGoOn(f"样例有误：{error}", f"a case is wrong: {error}", USAGE) from None
    for miss in missed:
        _show_miss(miss)
    held = f"{len(tried) - len(missed)} / {len(tried)} 个样例符合 cases hold"
    said = f"{held}（{times} 种组合 combinations）"
    shown(Text(f"{'✗' if missed else '✓'} {said}", "red" if missed else "green"))
    if missed:
        raise typer.Exit(REFUSED)


def explain(
    asset_no: Annotated[str, typer.Argument(help="资产编号 asset number")],
    url: Url = None,
    token: Token = None,
) -> None:
    """说明结论：为何不利旧、不理赔、报废，各放弃多少 Why not reuse, why not claim, why scrap, and what was forgone."""
    with explained(), connect(url, token, Role.METROLOGIST) as platform:
        verdict = platform.ask(types.GetVerdict(asset_no=asset_no))
    for line in _explained(verdict):
        shown(line)


def _cases(path: Path) -> Sequence[Case]:
    """The cases in a file. Raises CannotGoOn."""
    try:
        return list(_rows(path)) if path.suffix == ".csv" else read_yaml(path, Cases).cases
    except (OSError, ValueError) as error:
        raise CannotGoOn(f"样例文件不能使用：{error}", f"the file of cases cannot be used: {error}", USAGE) from None


def _rows(path: Path) -> Iterator[Case]:
    """A case a row: a column for each that is known of a device, and `expected`; `name` and `rule` where wanted."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            said = {name: value.strip() for name, value in row.items() if name is not None and value}
            try:
                yield msgspec.convert(
                    {
                        "name": said.get("name") or f"第 {number} 行 line {number}",
                        "inputs": {name: word for name, word in said.items() if name not in (_EXPECTED, *_OTHERS)},
                        "expected": said.get(_EXPECTED, ""),
                        "rule": said.get("rule"),
                    },
                    Case,
                )
            except msgspec.ValidationError as error:
                raise ValueError(f"{path.name} 第 {number} 行 line {number}: {error}") from None


def _show_miss(miss: Miss) -> None:
    came, should = (" ".join(DISPOSITIONS[one]) for one in (miss.disposition, miss.case.expected))
    shown(Text.assemble(("✗ ", "red"), (miss.case.name, "bold")))
    wanted = f"（规则 by rule {miss.case.rule}）" if miss.case.rule else ""
    lines = Text(f"应为 should be: {should}{wanted}\n得到 came to: {came}（规则 by rule {miss.rule}）")
    if miss.times > 1:
        lines.append(f"\n共 {miss.times} 种组合不符，例如 {miss.times} combinations differ, such as:")
    lines.append(f"\n{spoken(miss.inputs)}", "dim")
    shown(Padding(lines, (0, 0, 0, 2)))


def _explained(found: types.VerdictShown) -> Iterator[Text]:
    verdict = found.verdict
    yield Text.assemble((f"{found.asset_no}  ", "bold"), (_words(found.disposition), "bold green"))
    yield Text(f"第 {found.round} 轮 round {found.round} · 规则 rule {verdict.rule}")
    yield Text(f"  {verdict.because.zh}\n  {verdict.because.en}")
    if found.overruled is not None:
        yield from _overruled(found.overruled)
    if found.newer_round is not None:
        yield Text(f"! 已开始第 {found.newer_round} 轮分拣 round {found.newer_round} has begun since", "yellow")
    if verdict.again is not None:
        yield Text(f"! 维修或复检失败后再次判定 judged again after a failed repair: {verdict.again}", "yellow")
    yield Text("\n阶梯 the staircase", "bold")
    for stair in verdict.stairs:
        yield from _stair(stair)
    if not verdict.stairs:
        yield Text("  待人工裁定，尚未放弃任何价值 held for a person: nothing is forgone yet")
    for heading, said in (
        ("拆前履历 history", found.history_said),
        ("拆后指标 indicators", found.indicators_said),
        ("处置价值 value", found.value_said),
    ):
        if said:
            yield Text(f"\n{heading}", "bold")
        for words in said:
            yield Text(f"  {words.zh}\n  {words.en}")
    if found.indicators is not None and found.indicators.findings.faults:
        yield Text(f"  故障代码 faults: {', '.join(found.indicators.findings.faults)}")
    if found.value is not None:
        yield from _worth(found.value.findings)
    yield Text("\n判定依据 judged by", "bold")
    yield Text("  " + "\n  ".join(_input(one.column, one.word) for one in verdict.inputs))
    prices = f" · 价值参数 prices v{found.value.prices.version}" if found.value is not None else ""
    versions = f"方案 scheme {found.scheme.group} v{found.scheme.version} · 决策表 table v{verdict.table.version}"
    yield Text(f"  {versions}{prices}", "dim")


def _overruled(overruled: types.Overruled) -> Iterator[Text]:
    (was_zh, was_en), (now_zh, now_en) = DISPOSITIONS[overruled.overruled], DISPOSITIONS[overruled.disposition]
    yield Text(f"! {overruled.on} 两人改判：{was_zh} → {now_zh}", "yellow")
    yield Text(f"  two persons overruled {was_en} and set {now_en}", "yellow")
    if overruled.why is not None:
        yield Text(f"  {overruled.why}")


def _stair(stair: types.Stair) -> Iterator[Text]:
    mark, style = ("✓ ", "green") if stair.taken else ("✗ ", "red")
    yield Text.assemble((f"{mark}{_words(stair.disposition)}", style))
    yield Text(f"    {stair.why.zh}\n    {stair.why.en}")
    if not stair.taken:
        money = "不能计算 not known" if stair.forgone_fen is None else f"{_yuan(stair.forgone_fen)} 元 yuan"
        carbon = f"{_kg(stair.forgone_co2_g)} kg CO2"
        yield Text(f"    放弃 forgone: {money}, {carbon}", "dim")


def _worth(value: types.ValueFindings) -> Iterator[Text]:
    worth: tuple[tuple[Disposition, int | None, int], ...] = (
        ("reuse", value.reuse_fen, value.reuse_co2_g),
        ("claim", value.claim_fen, value.claim_co2_g),
        ("scrap", value.scrap_fen, value.scrap_co2_g),
    )
    for disposition, fen, co2_g in worth:
        money = "—" if fen is None else f"{_yuan(fen)} 元 yuan"
        yield Text(f"  {_words(disposition)}: {money}, {_kg(co2_g)} kg CO2")


def _words(disposition: Disposition) -> str:
    return " ".join(DISPOSITIONS[disposition])


def _input(column: str, word: str) -> str:
    zh, en = INPUTS.get(column, {}).get(word, (word, word))
    return f"{zh} {en} ({column}={word})"


def _yuan(fen: int) -> str:
    """Exactly, with its sign."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // _FEN_A_YUAN}.{abs(fen) % _FEN_A_YUAN:02}"


def _kg(mass_g: int) -> str:
    return f"{'-' if mass_g < 0 else ''}{abs(mass_g) // _G_A_KG}.{abs(mass_g) % _G_A_KG:03}"

"""The decision table: what is known of a device, in ten words, to one disposition and the rule that says so.

An analyst edits the rules; each names the words it holds for, column by column, and one that names no word of a column
holds for all of that column's. A table is published only if every combination of words meets exactly one rule.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from itertools import islice, product
from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from kernel.device import DeviceClass
from kernel.quantity import CivilDate, Code, Name, refuse_far_days
from kernel.refusal import Contradiction
from services.sorting.norms import Part, to_be_confirmed
from services.sorting.vocabulary import Disposition, RuleId, Words

INPUTS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "identity": {"confirmed": ("身份相符", "confirmed"), "unverified": ("身份未能核实", "could not be verified")},
    "evidence": {
        "none": ("无窃电痕迹", "no trace of tampering"),
        "tampering": ("有窃电痕迹", "traces of tampering"),
        "unknown": ("未查看窃电痕迹", "nobody looked for traces of tampering"),
    },
    "obsolete": {"no": ("在用型号", "still in use"), "yes": ("已淘汰", "obsolete by policy")},
    "condition": {
        "sound": ("完好", "sound"),
        "repairable": ("可维修", "repairable"),
        "beyond_repair": ("不可修复", "beyond repair"),
        "unknown": ("未检明", "not known"),
    },
    "defect": {
        "none": ("无故障", "no fault"),
        "original": ("原发缺陷", "a defect of manufacture"),
        "other": ("非原发故障", "a fault of another origin"),
        "undetermined": ("原因未定", "of undetermined origin"),
        "unknown": ("未查明有无原发缺陷", "nothing was inspected that could show a defect of manufacture"),
    },
    "warranty": {
        "inside": ("质保期内", "inside its warranty"),
        "outside": ("质保期外", "outside its warranty"),
        "unknown": ("质保期不明", "warranty not known"),
    },
    "life": {
        "enough": ("剩余寿命足够", "life enough left"),
        "short": ("剩余寿命不足", "too little life left"),
        "unknown": ("使用年限不明", "age not known"),
    },
    "pays": {
        "reuse": ("利旧价值最高", "reuse is worth most"),
        "claim": ("理赔价值最高", "a claim is worth most"),
        "scrap": ("报废回收价值最高", "scrap is worth most"),
        "unknown": ("价值未能计算", "value not known"),
    },
    "repair": {
        "untried": ("未经维修失败", "no repair has failed"),
        "failed": ("维修或复检失败", "a repair has failed"),
    },
    "batch": {"clear": ("批次无问题", "batch without findings"), "suspected": ("批次疑似问题", "batch suspected")},
}
"""What a rule may ask, column by column, with the words for people."""

Inputs: TypeAlias = tuple[str, ...]
"""One word of each column, in the order of INPUTS."""

REPORTED_MAX: Final = 20
"""Combinations named where a table is refused; more would be read by nobody."""


class Condition(Part, frozen=True, kw_only=True):
    """The words of one column for which a rule holds."""

    column: Code
    any_of: Annotated[tuple[Code, ...], Meta(min_length=1)]


class Rule(Part, frozen=True, kw_only=True):
    """A row of the table. `because` says why so, `not_reuse` and `not_claim` why not a better step of the staircase."""

    rule: RuleId
    when: tuple[Condition, ...] = ()
    disposition: Disposition
    because: Words
    not_reuse: Words | None = None
    not_claim: Words | None = None

    def __post_init__(self) -> None:
        if self.disposition in ("claim", "scrap") and self.not_reuse is None:
            raise Contradiction(f"规则 {self.rule} 没有说明为何不利旧", f"rule {self.rule} does not say why not reuse")
        if self.disposition == "scrap" and self.not_claim is None:
            raise Contradiction(f"规则 {self.rule} 没有说明为何不理赔", f"rule {self.rule} does not say why not claim")


UNDECIDED: Final = Rule(
    rule="hold.no_rule",
    disposition="hold",
    because=Words(
        zh="现行决策表没有写明此种情况，由人工裁定；请发布新版决策表。",
        en="the decision table that stands does not say what then; a person decides. Publish a newer table.",
    ),
)
"""What a table comes to that knows fewer words than there are."""


class Obsolete(Part, frozen=True, kw_only=True):
    """淘汰 Devices that are not used again whatever their condition: of these classes, and of these models or made
    before a day. `source` is the document that says so; without `confirmed` it is for trying out.
    """

    rule: RuleId
    device_classes: tuple[DeviceClass, ...]
    models: tuple[Name, ...] = ()
    made_before: CivilDate | None = None
    because: Words
    source: Name | None = None
    confirmed: bool = False

    def __post_init__(self) -> None:
        refuse_far_days(made_before=self.made_before)


class VerdictTable(Part, frozen=True, kw_only=True, cache_hash=True):
    """处置决策表 Its rules, and what is obsolete by policy."""

    rules: tuple[Rule, ...]
    obsolete: tuple[Obsolete, ...] = ()

    def disagreements(self) -> Iterator[str]:
        """What is wrong with it, in words: names that there are not, combinations that meet no rule or several."""
        names = [rule.rule for rule in self.rules]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"规则编号重复 rule {name} is there twice"
        for one in self.obsolete:
            if one.confirmed and any(map(to_be_confirmed, (one.source, one.because.zh, one.because.en))):
                yield f"{one.rule}: 已确认，却仍写“待确认” confirmed, and says that it is to be"
        strangers = list(_strangers(self))
        yield from strangers
        if strangers:
            return
        hits: dict[Inputs, list[str]] = {}
        for rule in self.rules:
            for inputs in _met_by(rule):
                hits.setdefault(inputs, []).append(rule.rule)
        gaps = (inputs for inputs in product(*INPUTS.values()) if inputs not in hits)
        overlaps = ((inputs, rules) for inputs, rules in hits.items() if len(rules) > 1)
        for inputs in islice(gaps, REPORTED_MAX):
            yield f"没有规则适用 no rule for {spoken(inputs)}"
        for inputs, rules in islice(overlaps, REPORTED_MAX):
            yield f"多条规则同时适用 rules {', '.join(rules)} all hold for {spoken(inputs)}"

    def unconfirmed(self, device_class: str) -> list[RuleId]:
        """What is to be confirmed of what is obsolete among devices of a class. A line that does not hold for a device
        decides, too: confirmed, it might.
        """
        return [one.rule for one in self.obsolete if not one.confirmed and device_class in one.device_classes]

    def rule(self, inputs: Inputs) -> Rule:
        """The one rule that holds; UNDECIDED where the table was published before there was a word of these. KeyError
        where the words are none of INPUTS.
        """
        rules = _compiled(self).rules
        if inputs not in rules and all(word in words for word, words in zip(inputs, INPUTS.values(), strict=True)):
            return UNDECIDED
        return rules[inputs]


class _Compiled:
    """A table by what it is asked."""

    def __init__(self, table: VerdictTable) -> None:
        self._table: Final = table

    @cached_property
    def rules(self) -> dict[Inputs, Rule]:
        return {inputs: rule for rule in self._table.rules for inputs in _met_by(rule)}


@lru_cache(maxsize=16)
def _compiled(table: VerdictTable) -> _Compiled:
    return _Compiled(table)


def spoken(inputs: Inputs) -> str:
    """A combination, as tables and their tests write it."""
    return ", ".join(f"{column}={word}" for column, word in zip(INPUTS, inputs, strict=True))


def _met_by(rule: Rule) -> Iterator[Inputs]:
    asked = {condition.column: condition.any_of for condition in rule.when}
    return product(*(asked.get(column, tuple(words)) for column, words in INPUTS.items()))


def _strangers(table: VerdictTable) -> Iterator[str]:
    for rule in table.rules:
        columns = [condition.column for condition in rule.when]
        for column in sorted({column for column in columns if columns.count(column) > 1}):
            yield f"{rule.rule}: 列重复 column {column} is there twice"
        for condition in rule.when:
            if condition.column not in INPUTS:
                yield f"{rule.rule}: 没有此列 there is no column {condition.column}"
                continue
            for word in condition.any_of:
                if word not in INPUTS[condition.column]:
                    yield f"{rule.rule}: 列 {condition.column} 没有此值 column {condition.column} has no {word}"
            if len(set(condition.any_of)) < len(condition.any_of):
                yield f"{rule.rule}: 列 {condition.column} 的值重复 a word of {condition.column} is there twice"

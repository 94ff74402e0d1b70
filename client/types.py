"""The platform's commands, questions and answers. Made by `make docs` from the OpenAPI document."""

from datetime import date, datetime
from typing import Any, ClassVar, Literal

import msgspec

from client.calls import Command, Download, Page, Question


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event that the command led to. `type` is its name in the log."""

    type: str
    data: Any


class CommandWarning(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is amiss with a command that was done all the same: a refusal's code and messages, and no refusal."""

    code: str
    zh: str
    en: str


class Accepted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a command. `position` is 0 and `events` empty where it was so already; `repeated` says that
    this very command had been done before, and this is what was recorded then. `warnings` say what is amiss with a
    command that was done all the same, each time that it is given; mostly there are none.
    """

    stream: str
    version: int
    position: int
    repeated: bool
    events: tuple[RecordedEvent, ...]
    warnings: tuple[CommandWarning, ...] = ()


class Agreement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Pairs of verdicts on one device, one after the other and with no repair ordered between: where and in which
    shift, and how often both came to the same disposition and showed the same faults.
    """

    bench: str
    shift: str | None
    other_bench: str
    other_shift: str | None
    pairs: int
    same_disposition: int
    same_faults: int


class Alarm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An alarm about a device of `unit`. `kind` is reappeared (its life had ended; `holder` had it last),
    displaced (on record as `holder` has it) or duplicate (a second device, kept under the temporary identity
    `holder`, seems to bear this number).
    """

    asset_no: str
    version: int
    kind: str
    site: str
    day: date
    holder: str
    unit: str


class Description(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a device beside its number. `comm_address` is the RS-485 address, 12 digits."""

    maker: str | None = None
    model: str | None = None
    arrival_batch: str | None = None
    made_on: date | None = None
    installed_on: date | None = None
    comm_address: str | None = None
    remark: str | None = None


class Backlog(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Devices of a class at a sorting centre that wait for a verdict, or for a person where that was `hold`, by
    how long: since they came, since the verdict of hold, or since their verdict was taken back to inspect them
    again.
    """

    site: str
    device_class: str
    waits_for: str
    devices: int
    over_week: int
    over_month: int
    oldest_on: date


class BalanceLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """opening + inflow - outflow = closing. `restated_on`: the figures of the day were changed then, after the day
    was over and the site had begun to keep its record. `unit` is the managing unit of the site, which answers for
    what is there, whatever units the devices are of; None where no such site was opened.
    """

    site: str
    device_class: str
    day: date
    opening: int
    inflow: int
    outflow: int
    closing: int
    restated_on: date | None = None
    unit: str | None = None


LineOutcome = Literal["accepted", "refused", "repeated"]


class FieldError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault in what was sent. `field` is its place, such as `items[3].mass_g`; empty where it is the whole."""

    field: str
    code: str
    zh: str
    en: str


class BulkLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of one line, counted from 1. A refused line has `code`, `zh`, `en` and, where fields are at fault,
    `errors`; any other has the stream, its version and the position, and `warnings` where there are any.
    """

    line: int
    outcome: LineOutcome
    stream: str | None = None
    version: int | None = None
    position: int | None = None
    code: str | None = None
    zh: str | None = None
    en: str | None = None
    errors: tuple[FieldError, ...] = ()
    warnings: tuple[CommandWarning, ...] = ()


class BulkAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a bulk call, line by line in their order."""

    accepted: int
    repeated: int
    refused: int
    lines: tuple[BulkLine, ...]


class BurntCount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Devices dismantled as burnt, by year and county, in steps of five. Counties with few are together as
    `other`.
    """

    year: int
    county: str
    devices: int


class Card(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device now. `phase` is where it is in its life: in_service, at_site, in_transit, missing, lost, out,
    with_maker, with_recycler, or how its life ended: written_off, returned_to_customer, kept_by_maker, destroyed,
    destroyed_in_test, bound. `since` is the business day on which it counts that it got there, as balances have
    it.
    """

    asset_no: str
    device_class: str
    owner: str
    unit: str
    phase: str
    since: date
    site: str | None = None
    unexpected: bool = False
    shipment: str | None = None
    container: str | None = None
    location: str | None = None
    purpose: str | None = None
    reference: str | None = None
    county: str | None = None
    maker: str | None = None
    model: str | None = None
    arrival_batch: str | None = None
    made_on: date | None = None
    installed_on: date | None = None
    comm_address: str | None = None
    dismantled_on: date | None = None
    reason: str | None = None
    work_order: str | None = None
    reading_total_wh: int | None = None
    disputed: bool = False
    data_cleared: bool = False
    chip_destroyed: bool = False
    defaced: bool = False
    damaged: bool = False
    seals: str = ""
    bound_to: str | None = None
    holder: str | None = None
    unit_version: int = 0
    county_version: int | None = None
    dismantled_version: int | None = None
    version: int = 0
    position: int = 0


class Words(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The same in both languages, Chinese first."""

    zh: str
    en: str


class Choice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer to an item that is looked at rather than measured, and the fault that it shows, if any.
    `ends_step`: nothing more of the step can be done after it, and its other items may be left out.
    """

    code: str
    name: Words
    fault: str | None = None
    ends_step: bool = False


class Material(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one device yields of a material, and its price by the kilogram."""

    code: str
    name: Words
    mass_g: int
    fen_per_kg: int


class ClassValue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What holds for a device of these classes. Carbon is what a device saves by each disposition, in grams of
    CO2. `source` says of each figure where it comes from; without `confirmed` they are for trying out.
    """

    device_classes: tuple[
        Literal[
            "01",
            "02",
            "03",
            "04",
            "05",
            "06",
            "07",
            "08",
            "09",
            "10",
            "11",
            "19",
            "20",
            "21",
            "23",
            "24",
            "31",
            "32",
            "33",
            "34",
            "35",
            "36",
            "37",
            "41",
        ],
        ...,
    ]
    life_months: int
    life_left_months_min: int
    warranty_months: int
    new_fen: int
    clean_fen: int
    re_verify_fen: int
    claim_share_ppm: int
    claim_odds_ppm: int
    claim_handling_fen: int
    scrap_handling_fen: int
    materials: tuple[Material, ...]
    reuse_co2_g: int
    claim_co2_g: int
    scrap_co2_g: int
    source: str
    confirmed: bool = False


class Condition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The words of one column for which a rule holds."""

    column: str
    any_of: tuple[str, ...]


class Moment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When something happened, as its source knows it: an instant, or only the day."""

    occurred_at: datetime | None = None
    occurred_on: date | None = None


class ConsignmentLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device of a shipment. `became` is None until the shipment is received; `unexpected` ones were not listed."""

    asset_no: str
    device_class: Literal[
        "01",
        "02",
        "03",
        "04",
        "05",
        "06",
        "07",
        "08",
        "09",
        "10",
        "11",
        "19",
        "20",
        "21",
        "23",
        "24",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
    ]
    container: str | None = None
    became: Literal["missing", "received", "unexpected"] | None = None
    damaged: bool = False


class ConsignmentSignature(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A party's signature: `from` or `to`. `signer` is an opaque subject id."""

    party: Literal["from", "to"]
    signer: str
    event_id: str
    signed: Moment
    document_sha256: str | None = None


class ConsignmentException(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device that did not follow its shipment, and the code of the refusal that says why."""

    asset_no: str
    code: str


class ConsignmentEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event of the shipment. `id` is a UUID in hexadecimal."""

    id: str
    position: int
    type: str


class Consignment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A transfer note whole: its head, every device and what became of it, signatures, exceptions, events."""

    shipment: str
    phase: Literal["cancelled", "dispatched", "none", "prepared", "received"]
    from_site: str
    to_site: str
    unit: str
    manifest_sha256: str
    prepared: Moment
    lines: tuple[ConsignmentLine, ...]
    dispatched: Moment | None = None
    received: Moment | None = None
    cancelled: Moment | None = None
    cancelled_why: str | None = None
    carrier: str | None = None
    seal_no: str | None = None
    signatures: tuple[ConsignmentSignature, ...] = ()
    exceptions: tuple[ConsignmentException, ...] = ()
    events: tuple[ConsignmentEvent, ...] = ()
    version: int = 0


class ContainerException(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device that was to go in or come out and did not, and the code of the refusal that says why."""

    asset_no: str
    code: str
    recorded: Moment


class ContainerLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A container or pallet. `site` has it, or had it last where it is on its way with `shipment`; `unit` is the
    managing unit of that site, None where it was never opened. `devices` are in it, `exceptions` have not followed
    it since it was registered.
    """

    container: str
    device_class: str
    site: str
    shipment: str | None
    seal_no: str | None
    devices: int
    exceptions: int
    version: int
    unit: str | None


class ContainerWhole(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A container or pallet with its latest exceptions. Its devices are listed where devices are, by its id."""

    container: str
    device_class: str
    site: str
    shipment: str | None
    seal_no: str | None
    devices: int
    exceptions: tuple[ContainerException, ...]
    version: int


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """底度 Register values at dismantling: active import in all and by tariff (尖 峰 平 谷), export, reactive, demand.
    At least one of them, or a photo of them. `ratio_micro` multiplies them where the device measures through
    transformers.
    """

    total_wh: int | None = None
    sharp_wh: int | None = None
    peak_wh: int | None = None
    flat_wh: int | None = None
    valley_wh: int | None = None
    reverse_wh: int | None = None
    reactive_varh: int | None = None
    demand_w: int | None = None
    ratio_micro: int | None = None
    photo_sha256: str | None = None
    customer_signature: Literal["absent", "refused", "signed"] | None = None


class CountLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One class in a stocktake: the book's number and the number counted."""

    device_class: Literal[
        "01",
        "02",
        "03",
        "04",
        "05",
        "06",
        "07",
        "08",
        "09",
        "10",
        "11",
        "19",
        "20",
        "21",
        "23",
        "24",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
    ]
    book: int
    counted: int


class Device(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the record said of a device when its inspection was opened. `accuracy_class` is that of its name plate."""

    device_class: Literal[
        "01",
        "02",
        "03",
        "04",
        "05",
        "06",
        "07",
        "08",
        "09",
        "10",
        "11",
        "19",
        "20",
        "21",
        "23",
        "24",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
    ]
    unit: str
    accuracy_class: str | None = None
    maker: str | None = None
    batch: str | None = None
    model: str | None = None
    made_on: date | None = None
    installed_on: date | None = None
    dismantled_on: date | None = None
    comm_address: str | None = None


class Difference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device that is short, or over."""

    asset_no: str
    device_class: Literal[
        "01",
        "02",
        "03",
        "04",
        "05",
        "06",
        "07",
        "08",
        "09",
        "10",
        "11",
        "19",
        "20",
        "21",
        "23",
        "24",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
    ]


class Duplicate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A communication address that more than one device on record has."""

    comm_address: str
    devices: int


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event in a device's life, as it is in the log. `id` is a UUID in hexadecimal."""

    version: int
    position: int
    id: str
    type: str
    recorded_at_us: int
    data: Any


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """故障现象 What an item may show, where it comes from, and what can be done about it at which cost. `tampering`:
    it is evidence, and a person decides. `unsafe_to_power`: function and accuracy cannot be tested after it was
    found. `cost_source` says where the cost comes from, or that it is to be confirmed.
    """

    code: str
    name: Words
    origin: Literal["external", "original", "undetermined", "wear"]
    remedy: Literal["adjust", "clean", "none", "repair"]
    remedy_cost_fen: int = 0
    tampering: bool = False
    unsafe_to_power: bool = False
    cost_source: str | None = None


class SchemeRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A version of a scheme, as whoever began with it keeps it."""

    group: str
    version: int
    sha256: str


class FormItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item with the limit that holds for this device: `least` to `most`, both allowed, from `source`. Without
    `limited` the norm has none for its accuracy class.
    """

    code: str
    name: Words
    unit: (
        Literal[
            "count", "decicelsius", "kohm", "ma", "millihertz", "ms", "mv", "ppb", "ppm", "pulse", "s", "urad", "wh"
        ]
        | None
    ) = None
    unit_name: Words | None = None
    range_least: int | None = None
    range_most: int | None = None
    least: int | None = None
    most: int | None = None
    limited: bool = False
    confirmed: bool = False
    source: str | None = None
    choices: tuple[Choice, ...] = ()
    photo: bool = False
    required: bool = True


class Waiver(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rule by which a step may be left out. `condition` is looked up when it is used; where it is in words only,
    a second person agrees that it holds. The appearance is never waived: it is where tampering is seen.
    """

    rule: str
    when: Words
    condition: Literal["beyond_repair", "obsolete"] | None = None


class FormStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The step that is due, as its norm has it. `unsafe`: the fault by which the device must not be powered, so
    that the step ends as not possible.
    """

    step: Literal["accuracy", "appearance", "function"]
    name: Words
    place: int
    purpose: Words
    applicable: bool
    items: tuple[FormItem, ...]
    procedure: tuple[Words, ...] = ()
    instruments: tuple[Words, ...] = ()
    safety: tuple[Words, ...] = ()
    pass_rule: Words | None = None
    performers: tuple[str, ...] = ()
    dual_control: bool = False
    photos_min: int = 0
    waivers: tuple[Waiver, ...] = ()
    unsafe: Words | None = None


class Stair(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of the staircase 阶梯式处置: whether the device went this way, why or why not, and what was forgone by
    not doing so, against the way it went: fen, and grams of CO2.
    """

    disposition: Literal["claim", "reuse", "scrap"]
    taken: bool
    why: Words
    forgone_fen: int | None = None
    forgone_co2_g: int = 0


class FormVerdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The verdict that stands, its staircase, and into which container it sends the device. `overruled`: two
    persons set another disposition than the table's, and the staircase is the table's.
    """

    disposition: Literal["claim", "hold", "reuse", "scrap"]
    name: Words
    area: Words
    rule: str
    because: Words
    stairs: tuple[Stair, ...]
    judged_on: date
    overruled: bool = False


class Form(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a bench sees after a scan. `act` is what is done next, `said` the same in words. `bench` has the
    inspection that is under way. `accuracy_classes` are those that the scheme has limits for, to be read off the
    name plate when the inspection is opened; none where it makes no difference. `review`: frozen until that is
    concluded.
    """

    asset_no: str
    act: Literal["carry", "decide", "elsewhere", "end_step", "identify", "judge", "open", "stopped"]
    said: Words
    phase: Literal["abandoned", "closed", "judged", "none", "open", "resort", "stopped", "superseded"]
    phase_name: Words
    round: int
    device: Device
    class_name: Words
    scheme: SchemeRef | None = None
    scheme_name: Words | None = None
    bench: str | None = None
    site: str | None = None
    accuracy_classes: tuple[str, ...] = ()
    step: FormStep | None = None
    faults: tuple[Fault, ...] = ()
    verdict: FormVerdict | None = None
    review: str | None = None


class FoundLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device found on arrival. Its class is asked for only where the manifest does not say."""

    asset_no: str
    device_class: (
        Literal[
            "01",
            "02",
            "03",
            "04",
            "05",
            "06",
            "07",
            "08",
            "09",
            "10",
            "11",
            "19",
            "20",
            "21",
            "23",
            "24",
            "31",
            "32",
            "33",
            "34",
            "35",
            "36",
            "37",
            "41",
        ]
        | None
    ) = None
    damaged: bool = False


class Gap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device whose custody is open: on its way, missing, lost, or unexpected and not resolved, since `since`.
    `holder` is the site that answers for it meanwhile.
    """

    asset_no: str
    device_class: str
    unit: str
    phase: str
    since: date
    site: str | None = None
    shipment: str | None = None
    holder: str | None = None


class LoadFindings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the load curve of a device in service shows between two days, and in `cannot_tell` what it cannot."""

    first_on: date
    last_on: date
    points_expected: int
    points_read: int
    longest_gap_min: int
    zero_days: int
    days_read: int
    overload_dose_s: int | None = None
    voltage_points_read: int = 0
    voltage_out_ppm: int | None = None
    cannot_tell: tuple[
        Literal[
            "all_zero",
            "arcs",
            "dose_at_least",
            "no_current",
            "no_i_max",
            "no_voltage",
            "no_voltage_band",
            "part_of_year",
            "phases_missing",
            "points_missing",
            "reversed",
            "series_resistance",
            "short_overloads",
            "times_uncertain",
            "voltage_missing",
        ],
        ...,
    ] = ()
    interval_s: int = 0
    phases: int = 1
    i_max_ma: int | None = None
    voltage_least_mv: int | None = None
    voltage_most_mv: int | None = None
    voltage_points_expected: int = 0
    points_set_aside: int = 0
    reversed_points: int = 0
    load_steps: int = 0


class Known(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the record says of a device before it was dismantled. `alerts` is None where nobody watched it; of its
    earlier inspections, how many reached a verdict, and the faults that the last of them found.
    """

    made_on: date | None = None
    installed_on: date | None = None
    dismantled_on: date | None = None
    alerts: int | None = None
    load: LoadFindings | None = None
    rounds_judged: int = 0
    faults_before: tuple[str, ...] = ()
    repair_failed: bool = False


class Number(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A number of a sentence, by the name that the words give it."""

    name: str
    value: int


class Sentence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A sentence of SENTENCES, and its numbers."""

    code: str
    numbers: tuple[Number, ...] = ()


class HistoryFindings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """拆前履历 Age against life, and what was recorded of it in service."""

    known: Known
    age_months: int | None = None
    life_months: int | None = None
    left_months: int | None = None
    warranty: Literal["inside", "outside", "unknown"] = "unknown"
    life: Literal["enough", "short", "unknown"] = "unknown"
    said: tuple[Sentence, ...] = ()


class HistoryAssessed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What its record says."""

    asset_no: str
    round: int
    findings: HistoryFindings
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    ended: Literal["not_applicable", "not_possible", "performed", "waived"] = "performed"


class Hold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A hold that stands on a device of `unit`. Without `until` it has no end of its own."""

    asset_no: str
    hold: str
    kind: str
    reference: str
    placed_on: date
    until: date | None
    unit: str


class UnusedColumn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A column that was not read: its letter, where the format has letters, its header, its sheet."""

    letter: str
    header: str
    sheet: str | None = None


class Import(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an import stands. `done` of `total` says how far the reading is, `position` which of its events is the
    last.
    """

    import_id: str
    kind: str
    name: str
    dry_run: bool
    state: str
    created_at: str
    bytes: int
    bytes_received: int
    done: int
    total: int
    accepted: int
    unchanged: int
    refused: int
    warned: int
    skipped: int
    position: int
    finished_at: str | None = None
    code: str | None = None
    zh: str | None = None
    en: str | None = None
    unused_columns: tuple[UnusedColumn, ...] = ()
    also_kind: str | None = None
    ahead: int = 0


class Population(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many of the same maker and batch, and of the same class, were inspected before it, and how many of them
    had this fault (any, where none is named). `compared` faults of the device were, and this is the one least
    explained by chance. Without `batch_known` it is of no batch.
    """

    inspected: int = 0
    faulty: int = 0
    class_inspected: int = 0
    class_faulty: int = 0
    fault: str | None = None
    compared: int = 1
    batch_known: bool = True


class IndicatorFindings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """拆后指标 The faults that were found, against the population. `tampering_sought` is False where nothing was
    inspected that could show traces of tampering.
    """

    condition: Literal["beyond_repair", "repairable", "sound", "unknown"]
    defect: Literal["none", "original", "other", "undetermined", "unknown"]
    faults: tuple[str, ...] = ()
    tampering: bool = False
    tampering_sought: bool = True
    population: Population = msgspec.field(default_factory=Population)
    batch: Literal["clear", "suspected"] = "clear"
    said: tuple[Sentence, ...] = ()


class IndicatorsAssessed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the inspections showed of this device. Where it was judged `again`, it is in the counts of its maker
    and batch already, as it first came in.
    """

    asset_no: str
    round: int
    device: Device
    findings: IndicatorFindings
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    ended: Literal["not_applicable", "not_possible", "performed", "waived"] = "performed"
    again: bool = False


class Input(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the decision table was asked, column by column."""

    column: str
    word: str


class Measured(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one item gave: a value in its unit, or a choice."""

    item: str
    value: int | None = None
    choice: str | None = None
    photos: tuple[str, ...] = ()


class StepReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a step ended. `why` where it was not performed, `rule` where a rule waives it; `measured` and `photos`
    where it was performed; `second` who did it along with whoever reports, where two are asked for.
    """

    ended: Literal["not_applicable", "not_possible", "performed", "waived"] = "performed"
    why: str | None = None
    rule: str | None = None
    measured: tuple[Measured, ...] = ()
    photos: tuple[str, ...] = ()
    second: str | None = None


class InspectionRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`phase` is open, stopped, judged, resort (judged before, and sorted again), abandoned, superseded or closed;
    `round`, `bench`, scheme and `identity` are of the inspection opened last, `next_step` the one of its three
    that is due. `disposition`, `rule`, `judged_on` and `waived` are those of the verdict that stands, reached in
    `judged_round` and recorded at `judged_at_us`, microseconds since 1970-01-01 UTC. `faults` are codes, one
    beside the other: those found so far in an inspection under way, else `judged_faults`, those of the verdict.
    `review` froze it; `repair` is under way, `certificate` what the last one led to. `version` is that of its
    stream.
    """

    asset_no: str
    round: int
    phase: str
    bench: str
    site: str
    device_class: str
    unit: str
    maker: str | None
    batch: str | None
    scheme_group: str
    scheme_version: int
    opened_on: date
    next_step: str | None
    identity: str | None
    faults: str
    disposition: str | None
    rule: str | None
    judged_on: date | None
    waived: bool
    proposed: str | None
    review: str | None
    version: int
    judged_round: int | None = None
    judged_faults: str = ""
    repair: str | None = None
    certificate: str | None = None
    judged_at_us: int | None = None


class InspectorAgreement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Devices that two inspectors each inspected whole, one after the other and with no repair ordered between:
    how often both came to the same disposition and found the same faults. Subject ids, the lesser first.
    """

    inspector: str
    other_inspector: str
    pairs: int
    same_disposition: int
    same_faults: int


class Limit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is allowed: from `least` to `most`, both allowed, in the unit of the item; for devices of these
    accuracy classes, or for all. `source` is a document and clause; without `confirmed` it is to be confirmed by
    the metrologist.
    """

    source: str
    accuracy_classes: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    confirmed: bool = False


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is measured (`unit`, the range of the instrument, limits, the fault that a value outside them shows) or
    looked at (`choices`). `photo`: a picture is required with an answer that shows a fault. One that is not
    `required` may be left out. `at`: when it counts, always where nothing is said. On another occasion it may be
    left out, and what it says then goes on record and shows no fault: a counter of events tells what happened
    before the device was sorted, nobody may clear it, and the repair itself adds to it.
    """

    code: str
    name: Words
    unit: (
        Literal[
            "count", "decicelsius", "kohm", "ma", "millihertz", "ms", "mv", "ppb", "ppm", "pulse", "s", "urad", "wh"
        ]
        | None
    ) = None
    range_least: int | None = None
    range_most: int | None = None
    limits: tuple[Limit, ...] = ()
    fault: str | None = None
    choices: tuple[Choice, ...] = ()
    photo: bool = False
    required: bool = True
    at: tuple[Literal["re_verification", "sorting"], ...] = ()


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device on a manifest."""

    asset_no: str
    device_class: Literal[
        "01",
        "02",
        "03",
        "04",
        "05",
        "06",
        "07",
        "08",
        "09",
        "10",
        "11",
        "19",
        "20",
        "21",
        "23",
        "24",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
    ]
    container: str | None = None


class NewImport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be imported. The last six stand in where the file has no such column; `mapping` is a mapping
    file's text that goes before the default one. Of `check_digit` here, there and as the registry is set the
    strictest holds.
    """

    kind: Literal["devices", "dismantled", "dispatched", "received"]
    name: str
    bytes: int
    dry_run: bool = False
    check_digit: Literal["ignore", "refuse", "warn"] | None = None
    mapping: str | None = None
    occurred_on: date | None = None
    unit: str | None = None
    site: str | None = None
    from_site: str | None = None
    to_site: str | None = None


class Norm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """作业规范 How one step is done, and its internal controls. One that is not `applicable` says why in `purpose`. A
    step after the appearance is performed `without_appearance` only where that says so: nobody has judged
    otherwise whether the device may be powered.
    """

    step: Literal["accuracy", "appearance", "function", "history", "indicators", "value"]
    purpose: Words
    applicable: bool = True
    procedure: tuple[Words, ...] = ()
    instruments: tuple[Words, ...] = ()
    items: tuple[Item, ...] = ()
    pass_rule: Words | None = None
    performers: tuple[Literal["inspector", "laboratory", "metrologist"], ...] = ()
    dual_control: bool = False
    photos_min: int = 0
    waivers: tuple[Waiver, ...] = ()
    safety: tuple[Words, ...] = ()
    without_appearance: bool = False


class Obsolete(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """淘汰 Devices that are not used again whatever their condition: of these classes, and of these models or made
    before a day. `source` is the document that says so; without `confirmed` it is for trying out.
    """

    rule: str
    device_classes: tuple[
        Literal[
            "01",
            "02",
            "03",
            "04",
            "05",
            "06",
            "07",
            "08",
            "09",
            "10",
            "11",
            "19",
            "20",
            "21",
            "23",
            "24",
            "31",
            "32",
            "33",
            "34",
            "35",
            "36",
            "37",
            "41",
        ],
        ...,
    ]
    because: Words
    models: tuple[str, ...] = ()
    made_before: date | None = None
    source: str | None = None
    confirmed: bool = False


class Overruled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What two persons set in place of the table's disposition. `why` is for whoever may read remarks."""

    disposition: Literal["claim", "hold", "reuse", "scrap"]
    overruled: Literal["claim", "hold", "reuse", "scrap"]
    on: date
    why: str | None = None


class Owed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device dismantled under a work order that no centre has received."""

    asset_no: str
    unit: str
    work_order: str
    dismantled_on: date
    phase: str


class PartReplaced(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which part, and how many of it."""

    part: str
    quantity: int


class PlanRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A recovery plan: the cohort of a unit in a month `YYYY-MM`."""

    unit: str
    cohort: str
    expected: int
    target_ppm: int
    cut_off: date
    revisions: int
    version: int


class Prices(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The parameters of every class."""

    classes: tuple[ClassValue, ...]


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An RFC 9457 problem. `code` is stable and for programs, `zh` and `en` are for people and always both there;
    `title` and `detail` give them in the order of Accept-Language. `errors` names each fault and its field.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    zh: str
    en: str
    errors: tuple[FieldError, ...] = ()


class ReviewCriteria(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which verdicts a review is about: reached on these days; where dispositions, a scheme group, a site or
    makers are named, of those alone. A verdict of hold is in no review.
    """

    judged_from: date
    judged_to: date
    dispositions: tuple[Literal["claim", "reuse", "scrap"], ...] = ()
    scheme_group: str | None = None
    site: str | None = None
    makers: tuple[str, ...] = ()


class Scheme(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """分拣检测方案 One scheme group: the device classes it covers, a norm for each of the six steps, and its faults."""

    group: str
    name: Words
    device_classes: tuple[
        Literal[
            "01",
            "02",
            "03",
            "04",
            "05",
            "06",
            "07",
            "08",
            "09",
            "10",
            "11",
            "19",
            "20",
            "21",
            "23",
            "24",
            "31",
            "32",
            "33",
            "34",
            "35",
            "36",
            "37",
            "41",
        ],
        ...,
    ]
    norms: tuple[Norm, ...]
    faults: tuple[Fault, ...] = ()


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row of the table. `because` says why so, `not_reuse` and `not_claim` why not a better step of the
    staircase.
    """

    rule: str
    disposition: Literal["claim", "hold", "reuse", "scrap"]
    because: Words
    when: tuple[Condition, ...] = ()
    not_reuse: Words | None = None
    not_claim: Words | None = None


class VerdictTable(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """处置决策表 Its rules, and what is obsolete by policy."""

    rules: tuple[Rule, ...]
    obsolete: tuple[Obsolete, ...] = ()


class Queue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Inspections under way at a bench that wait for the same step; None where they wait for the verdict."""

    bench: str
    site: str
    phase: str
    next_step: str | None
    devices: int
    oldest_on: date


class RecoveryRate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The cohort of a unit and month. rate = received / dismantled, a fraction of two whole numbers. What became
    of those dismantled: received by the cut-off or late (on the very day, where it was dismantled straight into a
    centre), or else, not having come to a centre, missing, lost, unexpected (held apart), returned to customers,
    disposed of, or still owed. What never came to a centre is never received: a device given back, sold or
    destroyed from its unit's own store lowers the rate for good, and is owed no more.
    """

    unit: str
    cohort: str
    dismantled: int
    received: int
    received_late: int
    missing: int
    lost: int
    unexpected: int
    owed: int
    returned: int
    disposed: int
    expected: int | None = None
    target_ppm: int | None = None
    cut_off: date | None = None


class RepairRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`phase` is begun, sent, returned, keyed, beyond_repair, verified, failed or cancelled; `ended_on` the day of
    the last four. `parts` is how many were replaced. `verifier` is an opaque subject id, `seals` the numbers of
    those that were put on, with a comma between. `version` is that of its stream.
    """

    repair: str
    asset_no: str
    round: int
    phase: str
    route: str
    repaired_by: str
    repairer: str
    price_fen: int | None
    device_class: str
    unit: str
    maker: str | None
    batch: str | None
    begun_on: date
    sent_on: date | None
    returned_on: date | None
    ended_on: date | None
    parts: int
    certificate: str | None
    valid_until: date | None
    version: int
    verifier: str | None = None
    seals: str = ""


class ReviewRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`phase` is joining, committed, drawn, concluded, failed or withdrawn, `failure` the cause of a draw that
    failed; `joined` devices are frozen for it now, `members` were when it was committed; `inspected_anew`,
    `repaired` and `in_review` count what was left out by its reason. `criteria` are JSON. The checkpoint is the
    first published one that covers the commitment; `due_us` is when that is due, or after it the nonce, which is
    `reveal_by_us`. These and, as recorded, `proposed_at_us` and `committed_at_us` are instants, microseconds since
    1970-01-01 UTC. `late` counts the verdicts it is about that were recorded after the commitment, None where
    nobody has counted. `version` is that of its stream. `estimate_ppm` and its bounds are shares of the whole that
    disagree; in the worst case those whose place a spare took disagree, too.
    """

    review: str
    phase: str
    criteria: str
    plan: str
    proposed_on: date
    proposed_by: str
    nonce_entrusted: bool
    joined: int
    members: int
    root: str | None
    reveal_by_us: int | None
    checkpoint_size: int | None
    samples: int
    recorded: int
    replaced: int
    agreed: int | None
    disagreed: int | None
    lower_ppm: int | None
    upper_ppm: int | None
    consequence: str | None
    version: int
    proposed_at_us: int = 0
    inspected_anew: int = 0
    repaired: int = 0
    in_review: int = 0
    checkpoint_root: str | None = None
    due_us: int | None = None
    failure: str | None = None
    committed_at_us: int | None = None
    late: int | None = None
    missing: int | None = None
    corrected: int = 0
    estimate_ppm: int | None = None
    worst_disagreed: int | None = None
    worst_upper_ppm: int | None = None


class SampleRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """样本 A device that was drawn. `state` is awaited, recorded, replaced (by a spare) or spare. `found` is what
    the institute found; the verdict is not here. `site`, with its name, has the device now, at `location` and in
    `container` where the registry knows them; without a site it is out or on its way.
    """

    review: str
    asset_no: str
    state: str
    found: str | None
    report: str | None
    recorded_on: date | None
    device_class: str
    maker: str | None
    model: str | None
    site: str | None
    site_name: str | None
    location: str | None
    container: str | None


class SchemePublished(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A version stands. `sha256` is that of the scheme as JSON with its members in order of name."""

    group: str
    version: int
    scheme: Scheme
    sha256: str
    why: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class SchemeRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The version of a scheme group that stands. `classes` are device classes, one beside the other; `unconfirmed`
    limits are to be confirmed by the metrologist.
    """

    scheme_group: str
    version: int
    sha256: str
    zh: str
    en: str
    classes: str
    unconfirmed: int


class ShipmentRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A transfer note. `signed` holds the parties who have signed, `from` before `to`, with a comma between."""

    shipment: str
    phase: str
    from_site: str
    to_site: str
    unit: str
    devices: int
    manifest_sha256: str
    prepared_on: date
    dispatched_on: date | None
    received_on: date | None
    received: int
    missing: int
    unexpected: int
    damaged: int
    exceptions: int
    signed: str
    version: int


class SiteRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A place. `recorded_on` is the business day on which its record began."""

    site: str
    kind: str
    name: str
    unit: str
    county: str | None
    opened_on: date
    recorded_on: date
    open: bool
    stocktaken_on: date | None
    short: int
    over: int
    version: int


class StocktakeException(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device that was short or over and did not follow, and the code of the refusal that says why."""

    asset_no: str
    code: str


class StocktakeLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One class in a stocktake: the book's number as the stocktake has it, the number counted, the devices short
    and over. `on_record` is the closing of that day in the balance, which has the differences in it: where it is
    not `counted`, the book was another than the record, or something has been recorded for that day since, or
    devices did not follow: `exceptions` of them, of which the latest thousand of a site are shown. A class that
    lay there on record and that nobody counted has a line with nothing counted.
    """

    site: str
    version: int
    day: date
    device_class: Literal[
        "01",
        "02",
        "03",
        "04",
        "05",
        "06",
        "07",
        "08",
        "09",
        "10",
        "11",
        "19",
        "20",
        "21",
        "23",
        "24",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
    ]
    book: int
    counted: int
    short: int
    over: int
    on_record: int
    exceptions: int = 0
    exceptions_shown: tuple[StocktakeException, ...] = ()


class TablePublished(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A version stands. `sha256` is that of its content as JSON with members in order of name."""

    name: Literal["prices", "verdict"]
    version: int
    why: str
    sha256: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    verdict: VerdictTable | None = None
    prices: Prices | None = None


class TableRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A version of a table, as whoever used it keeps it."""

    version: int
    sha256: str


class Throughput(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Verdicts of a bench in an hour, Asia/Shanghai, of the shifts of a day; of no hour where only the day is
    known.
    """

    bench: str
    judged_hour: int | None
    judged: int


class Timeline(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A device's card and every event of its life, in order of recording."""

    device: Card
    timeline: tuple[Entry, ...]


class ValueFindings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """处置经济价值 What each disposition brings, net, in fen, and saves, in grams of CO2. None where the way is closed
    or the amount is not known; a way that is closed saves 0. `pays` is the way that brings most, of equal ones the
    first of the staircase.
    """

    reuse_fen: int | None = None
    claim_fen: int | None = None
    scrap_fen: int | None = None
    reuse_co2_g: int = 0
    claim_co2_g: int = 0
    scrap_co2_g: int = 0
    pays: Literal["claim", "reuse", "scrap", "unknown"] = "unknown"
    said: tuple[Sentence, ...] = ()


class ValueAssessed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What each disposition is worth."""

    asset_no: str
    round: int
    findings: ValueFindings
    prices: TableRef
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    ended: Literal["not_applicable", "not_possible", "performed", "waived"] = "performed"


class VerdictReached(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """结论 The disposition, the rule that gave it, what the table was asked, and the staircase. `waived`: an
    inspection was left out by a rule. `again`: the repair or re-verification that failed. `obsolete`: the policy
    by which it is not used again, whether or not that gave the disposition.
    """

    asset_no: str
    round: int
    disposition: Literal["claim", "hold", "reuse", "scrap"]
    rule: str
    because: Words
    inputs: tuple[Input, ...]
    stairs: tuple[Stair, ...]
    table: TableRef
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    waived: bool = False
    again: str | None = None
    obsolete: str | None = None


class VerdictShown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last verdict on a device. `disposition` is what stands now; `newer_round` the inspection that was begun
    since, if any. What was said of history, indicators and value is there in words beside the numbers, each where
    the labels show its event to whoever asks.
    """

    asset_no: str
    round: int
    disposition: Literal["claim", "hold", "reuse", "scrap"]
    scheme: SchemeRef
    verdict: VerdictReached
    history: HistoryAssessed | None
    indicators: IndicatorsAssessed | None
    value: ValueAssessed | None
    history_said: tuple[Words, ...]
    indicators_said: tuple[Words, ...]
    value_said: tuple[Words, ...]
    overruled: Overruled | None = None
    newer_round: int | None = None


class Yield(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """First verdicts on devices, grouped: where there was none before, given-up inspections aside. `first_pass`:
    it was another than `hold`, its inspection was never stopped for an identity, nobody overruled it, no failed
    repair undid it and no inspection was opened since but to compare benches. `repeated`: one was. `maker` beside
    a batch: two makers may use the same name.
    """

    group: str | None
    maker: str | None
    judged: int
    first_pass: int
    reuse: int
    claim: int
    scrap: int
    hold: int
    faulty: int
    left_out: int
    overruled: int
    repeated: int


class BreakContainerSeal(Command, frozen=True, kw_only=True, omit_defaults=True):
    """箱体拆封 Open it."""

    PATH: ClassVar[str] = "/v1/containers/{container_id}/break-container-seal"
    KEY: ClassVar[str] = "container_id"
    container_id: str
    seal_no: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class MoveContainer(Command, frozen=True, kw_only=True, omit_defaults=True):
    """周转箱移动 It is at a site, newly or still. One that nobody registered is on record from now on."""

    PATH: ClassVar[str] = "/v1/containers/{container_id}/move-container"
    KEY: ClassVar[str] = "container_id"
    container_id: str
    site: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    shipment: str | None = None


class Pack(Command, frozen=True, kw_only=True, omit_defaults=True):
    """装箱 Put devices in, which are at the site of the container. One that is not is an exception on the container."""

    PATH: ClassVar[str] = "/v1/containers/{container_id}/pack"
    KEY: ClassVar[str] = "container_id"
    container_id: str
    asset_numbers: tuple[str, ...]
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class RegisterContainer(Command, frozen=True, kw_only=True, omit_defaults=True):
    """登记周转箱 Put a container or pallet on record."""

    PATH: ClassVar[str] = "/v1/containers/{container_id}/register-container"
    KEY: ClassVar[str] = "container_id"
    container_id: str
    device_class: Literal["23", "24"]
    site: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class SealContainer(Command, frozen=True, kw_only=True, omit_defaults=True):
    """箱体加封 Close it with a seal."""

    PATH: ClassVar[str] = "/v1/containers/{container_id}/seal-container"
    KEY: ClassVar[str] = "container_id"
    container_id: str
    seal_no: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class Unpack(Command, frozen=True, kw_only=True, omit_defaults=True):
    """出箱 Take devices out. One that is not in is an exception on the container."""

    PATH: ClassVar[str] = "/v1/containers/{container_id}/unpack"
    KEY: ClassVar[str] = "container_id"
    container_id: str
    asset_numbers: tuple[str, ...]
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class AbandonInspection(Command, frozen=True, kw_only=True, omit_defaults=True):
    """终止分拣 Give the inspection up. What was recorded stays on record and counts for nothing; a verdict that was
    reached before stands again.
    """

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/abandon-inspection"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    why: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class CheckIdentity(Command, frozen=True, kw_only=True, omit_defaults=True):
    """核验身份 What the barcode says that was scanned, the number that the meter holds in its memory, and what answers
    at its communication port, each against the record. `why` none could be read. `bench`, where it is named, must
    be the one that has the inspection.
    """

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/check-identity"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    barcode: str | None = None
    held_number: str | None = None
    comm_address: str | None = None
    why: str | None = None
    bench: str | None = None


class ConfirmOverride(Command, frozen=True, kw_only=True, omit_defaults=True):
    """确认改判 The second person agrees."""

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/confirm-override"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    by: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class HandOverInspection(Command, frozen=True, kw_only=True, omit_defaults=True):
    """移交检测台 Another bench goes on with it."""

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/hand-over-inspection"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    bench: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class InspectAccuracy(Command, frozen=True, kw_only=True, omit_defaults=True):
    """计量性能检查 Basic error at load points, starting, creep, daily clock error."""

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/inspect-accuracy"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    report: StepReport
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    bench: str | None = None


class InspectAppearance(Command, frozen=True, kw_only=True, omit_defaults=True):
    """外观检查 Findings with photos, seals, burn marks, traces of tampering."""

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/inspect-appearance"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    report: StepReport
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    bench: str | None = None


class InspectAtOnce(Command, frozen=True, kw_only=True, omit_defaults=True):
    """整只检毕 Everything that a line found of one device. `barcode` and `comm_address` are what it read of its
    identity, `identity_why` why it could read neither; `why` a device that was judged before is inspected again,
    and `comparison`: only to compare benches, with nothing amiss.
    """

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/inspect-at-once"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    bench: str
    site: str
    appearance: StepReport
    function: StepReport
    accuracy: StepReport
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    accuracy_class: str | None = None
    barcode: str | None = None
    comm_address: str | None = None
    identity_why: str | None = None
    why: str | None = None
    comparison: bool = False


class InspectFunction(Command, frozen=True, kw_only=True, omit_defaults=True):
    """功能检查 Self-test, display, clock, battery, relay, communication, security chip, counters of events."""

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/inspect-function"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    report: StepReport
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    bench: str | None = None


class Judge(Command, frozen=True, kw_only=True, omit_defaults=True):
    """评估并作结论 Assess the device, and look its disposition up in the decision table."""

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/judge"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class OpenInspection(Command, frozen=True, kw_only=True, omit_defaults=True):
    """开检 Begin to inspect a device at a bench. Where it was judged before, `why` it is inspected again;
    `comparison`: only to compare benches, with nothing amiss. `accuracy_class` is read off the name plate.
    """

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/open-inspection"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    bench: str
    site: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    accuracy_class: str | None = None
    why: str | None = None
    comparison: bool = False


class OrderRepair(Command, frozen=True, kw_only=True, omit_defaults=True):
    """下达维修单 Make a device fit for reuse: by which route, by whom, and what a repair covers and costs."""

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/order-repair"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    route: Literal["fault", "no_fault"]
    repairer: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    repaired_by: Literal["centre", "maker"] = "centre"
    scope: str | None = None
    price_fen: int | None = None


class ProposeOverride(Command, frozen=True, kw_only=True, omit_defaults=True):
    """提议改判 Another disposition than the table's, with the reason. A second person has to agree."""

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/propose-override"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    disposition: Literal["claim", "hold", "reuse", "scrap"]
    why: str
    by: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class RecordLoad(Command, frozen=True, kw_only=True, omit_defaults=True):
    """登记负荷曲线评估 What the load curve of the device showed while it was in service."""

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/record-load"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    load: LoadFindings
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class RejectOverride(Command, frozen=True, kw_only=True, omit_defaults=True):
    """驳回改判 The verdict stays."""

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/reject-override"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    why: str
    by: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class AcceptUnexpected(Command, frozen=True, kw_only=True, omit_defaults=True):
    """认领计划外到货 Take an unexpected device into ordinary stock, on the ground of a reference."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/accept-unexpected"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    reference: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class ApplySeal(Command, frozen=True, kw_only=True, omit_defaults=True):
    """加封 A seal is put on, or was found on the device and is put on record."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/apply-seal"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    seal_no: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class AssignTemporaryIdentity(Command, frozen=True, kw_only=True, omit_defaults=True):
    """赋予临时标识 Put a device on record whose number cannot be read, at the site that holds it."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/assign-temporary-identity"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    device_class: Literal[
        "01",
        "02",
        "03",
        "04",
        "05",
        "06",
        "07",
        "08",
        "09",
        "10",
        "11",
        "19",
        "20",
        "21",
        "23",
        "24",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
    ]
    unit: str
    site: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    owner: Literal["company", "customer"] = "company"
    description: Description = msgspec.field(default_factory=Description)


class BindIdentity(Command, frozen=True, kw_only=True, omit_defaults=True):
    """绑定编号 Say which numbered device a temporary identity turned out to be."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/bind-identity"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    bound_to: str
    evidence: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class ClearData(Command, frozen=True, kw_only=True, omit_defaults=True):
    """清除数据 Keys and records are wiped."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/clear-data"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    method: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    evidence_sha256: str | None = None


class ConfirmLoss(Command, frozen=True, kw_only=True, omit_defaults=True):
    """认定丢失 A missing device is lost: why, and which unit answers for it."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/confirm-loss"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    cause: Literal["misrecorded", "storage", "theft", "transit", "unknown"]
    liable_unit: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    finding: str | None = None


class CorrectRecord(Command, frozen=True, kw_only=True, omit_defaults=True):
    """更正记录 Say what an earlier event should have said. The event stands; views follow the correction. A `reading`
    is given whole, and corrects the event that holds the final reading now.
    """

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/correct-record"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    corrects_version: int
    why: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    device_class: (
        Literal[
            "01",
            "02",
            "03",
            "04",
            "05",
            "06",
            "07",
            "08",
            "09",
            "10",
            "11",
            "19",
            "20",
            "21",
            "23",
            "24",
            "31",
            "32",
            "33",
            "34",
            "35",
            "36",
            "37",
            "41",
        ]
        | None
    ) = None
    unit: str | None = None
    county: str | None = None
    reason: (
        Literal[
            "account_change",
            "burnt",
            "failed_accuracy",
            "fault",
            "other",
            "renovation",
            "rotation_at_term",
            "status",
            "theft_evidence",
        ]
        | None
    ) = None
    work_order: str | None = None
    dismantled_on: date | None = None
    description: Description | None = None
    owner: Literal["company", "customer"] | None = None
    did_not_happen: bool = False
    reading: Reading | None = None


class Deface(Command, frozen=True, kw_only=True, omit_defaults=True):
    """打孔毁形 The device is made useless for the market. The evidence is a photo's hash."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/deface"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    evidence_sha256: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class Destroy(Command, frozen=True, kw_only=True, omit_defaults=True):
    """销毁 The device is destroyed and certified so."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/destroy"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    certificate: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class DestroyChip(Command, frozen=True, kw_only=True, omit_defaults=True):
    """销毁安全芯片 The security chip is destroyed."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/destroy-chip"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    evidence_sha256: str | None = None


class Dismantle(Command, frozen=True, kw_only=True, omit_defaults=True):
    """拆回 Take a device out of service under a work order; the unit's store at `site` holds it from now on."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/dismantle"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    work_order: str
    unit: str
    site: str
    reason: Literal[
        "account_change",
        "burnt",
        "failed_accuracy",
        "fault",
        "other",
        "renovation",
        "rotation_at_term",
        "status",
        "theft_evidence",
    ]
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    county: str | None = None
    reading: Reading | None = None


class DisputeFinalReading(Command, frozen=True, kw_only=True, omit_defaults=True):
    """底度争议 The customer or a unit disputes the final reading."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/dispute-final-reading"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    case: str
    ground: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class HandToRecycler(Command, frozen=True, kw_only=True, omit_defaults=True):
    """交回收商 The recycler who bought the lot takes the device."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/hand-to-recycler"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    recycler: str
    lot: str
    contract: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class LeaveWithMaker(Command, frozen=True, kw_only=True, omit_defaults=True):
    """留归厂家 The claim for a returned device is settled, and the device stays with its maker."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/leave-with-maker"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    settlement: Literal["paid", "replaced"]
    reference: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class LiftHold(Command, frozen=True, kw_only=True, omit_defaults=True):
    """解除留存 The ground of the hold is gone."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/lift-hold"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    hold: str
    reference: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class MarkFound(Command, frozen=True, kw_only=True, omit_defaults=True):
    """找回 A missing device is at this site."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/mark-found"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    site: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    reference: str | None = None


class MarkMissing(Command, frozen=True, kw_only=True, omit_defaults=True):
    """缺失 The device is not where it should be: not in the shipment, not at the site of a stocktake, or not where
    it was released to under `release`, the reference of its release. One of the three. `device_class` is what it
    was listed as, and is to be that on record. `stocktake` is the event of the count that found it short: one of a
    day before the device last moved changes nothing any more.
    """

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/mark-missing"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    shipment: str | None = None
    site: str | None = None
    release: str | None = None
    device_class: (
        Literal[
            "01",
            "02",
            "03",
            "04",
            "05",
            "06",
            "07",
            "08",
            "09",
            "10",
            "11",
            "19",
            "20",
            "21",
            "23",
            "24",
            "31",
            "32",
            "33",
            "34",
            "35",
            "36",
            "37",
            "41",
        ]
        | None
    ) = None
    stocktake: str | None = None


class PlaceHold(Command, frozen=True, kw_only=True, omit_defaults=True):
    """设置留存 Keep the device as it is: why, on whose word, until when (open-ended without a day)."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/place-hold"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    hold: str
    kind: Literal["court", "dispute", "retention", "review", "safety", "theft_evidence"]
    reference: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    until: date | None = None


class ReceiveFromMaker(Command, frozen=True, kw_only=True, omit_defaults=True):
    """厂家来货 A device has come from its maker: new, repaired, or in place of another."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/receive-from-maker"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    site: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    replaces: str | None = None


class ReceiveUnexpected(Command, frozen=True, kw_only=True, omit_defaults=True):
    """计划外到货 A device is here that nobody announced; it is kept apart until that is resolved. `stocktake` is the
    event of the count that found it over: one of a day before the device last moved changes nothing any more.
    """

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/receive-unexpected"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    site: str
    device_class: Literal[
        "01",
        "02",
        "03",
        "04",
        "05",
        "06",
        "07",
        "08",
        "09",
        "10",
        "11",
        "19",
        "20",
        "21",
        "23",
        "24",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
    ]
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    shipment: str | None = None
    damaged: bool = False
    stocktake: str | None = None


class RecordConsent(Command, frozen=True, kw_only=True, omit_defaults=True):
    """用户同意 The customer who owns the device leaves it to the company."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/record-consent"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    reference: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class RecordFinalReading(Command, frozen=True, kw_only=True, omit_defaults=True):
    """记录底度 Record the registers as they stood at dismantling."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/record-final-reading"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    reading: Reading
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class RecordPrecondition(Command, frozen=True, kw_only=True, omit_defaults=True):
    """记录前提 A ground on which the device may be released, decided elsewhere: a verdict, an order, an approval.
    `valid_until`: the last day on which a certificate holds. `withdrawn`: it stands no more.
    """

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/record-precondition"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    kind: Literal[
        "claim_agreement",
        "evidence_order",
        "laboratory_request",
        "maker_sample_request",
        "re_verification",
        "repair_order",
        "review_sample",
        "scrap_approval",
        "verdict_claim",
        "verdict_hold",
        "verdict_reuse",
        "verdict_scrap",
    ]
    reference: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    valid_until: date | None = None
    withdrawn: bool = False


class RecordTestDestruction(Command, frozen=True, kw_only=True, omit_defaults=True):
    """登记试验损毁 The examination for which the device is out has destroyed it. `holder` has what remains."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/record-test-destruction"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    holder: str
    report: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    evidence_sha256: str | None = None


class Register(Command, frozen=True, kw_only=True, omit_defaults=True):
    """登记器具 Put a device on record: in service at a customer's, or at its maker's before delivery. Without `owner`
    the asset number tells whose it is.
    """

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/register"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    device_class: Literal[
        "01",
        "02",
        "03",
        "04",
        "05",
        "06",
        "07",
        "08",
        "09",
        "10",
        "11",
        "19",
        "20",
        "21",
        "23",
        "24",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
    ]
    unit: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    owner: Literal["company", "customer"] | None = None
    origin: Literal["in_service", "maker"] = "in_service"
    county: str | None = None
    description: Description = msgspec.field(default_factory=Description)


class Reinstall(Command, frozen=True, kw_only=True, omit_defaults=True):
    """利旧装用 A released device is in service again."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/reinstall"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    work_order: str
    unit: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class Release(Command, frozen=True, kw_only=True, omit_defaults=True):
    """出库 The device leaves the site for a purpose."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/release"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    site: str
    purpose: Literal[
        "customer", "evidence", "laboratory", "maker", "maker_sample", "materials", "reinstall", "repair", "review"
    ]
    reference: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class RemoveBattery(Command, frozen=True, kw_only=True, omit_defaults=True):
    """拆除电池 The battery is taken out, to go its own way."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/remove-battery"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class RemoveSeal(Command, frozen=True, kw_only=True, omit_defaults=True):
    """拆封 A seal is taken off, or was found broken."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/remove-seal"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    seal_no: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    condition: str | None = None
    found_broken: bool = False


class ResolveFinalReading(Command, frozen=True, kw_only=True, omit_defaults=True):
    """了结底度争议 The dispute ends: the reading stands, or is corrected."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/resolve-final-reading"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    case: str
    outcome: Literal["corrected", "upheld"]
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    reading: Reading | None = None


class ReturnSample(Command, frozen=True, kw_only=True, omit_defaults=True):
    """送检样品退回 What went out to be tested, shown or repaired is back."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/return-sample"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    site: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class ReturnToCustomer(Command, frozen=True, kw_only=True, omit_defaults=True):
    """退还用户 The customer has the device back."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/return-to-customer"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    reference: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class ReturnToMaker(Command, frozen=True, kw_only=True, omit_defaults=True):
    """返厂 The maker has taken the device back."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/return-to-maker"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    maker: str
    reference: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class Store(Command, frozen=True, kw_only=True, omit_defaults=True):
    """入库 The device has a place within its site. `container` is said to be sure: the box it is in, if any."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/store"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    site: str
    location: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    container: str | None = None


class WriteOff(Command, frozen=True, kw_only=True, omit_defaults=True):
    """盘亏核销 A lost device is written off on an approval."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/write-off"
    KEY: ClassVar[str] = "asset_no"
    asset_no: str
    approval: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class RevisePlan(Command, frozen=True, kw_only=True, omit_defaults=True):
    """修订计划 New figures, and why."""

    PATH: ClassVar[str] = "/v1/plans/{plan_id}/revise-plan"
    KEY: ClassVar[str] = "plan_id"
    plan_id: str
    expected: int
    target_ppm: int
    cut_off: date
    why: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class SetPlan(Command, frozen=True, kw_only=True, omit_defaults=True):
    """设定计划 The number expected, the share to reach, the last day that counts."""

    PATH: ClassVar[str] = "/v1/plans/{plan_id}/set-plan"
    KEY: ClassVar[str] = "plan_id"
    plan_id: str
    expected: int
    target_ppm: int
    cut_off: date
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class CancelRepair(Command, frozen=True, kw_only=True, omit_defaults=True):
    """撤销维修单 It is not carried out, or not to its end. The verdict stays."""

    PATH: ClassVar[str] = "/v1/repairs/{repair}/cancel-repair"
    KEY: ClassVar[str] = "repair"
    repair: str
    why: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class FailReVerification(Command, frozen=True, kw_only=True, omit_defaults=True):
    """重新检定不合格 It gets no certificate, for a reason that no measured value says."""

    PATH: ClassVar[str] = "/v1/repairs/{repair}/fail-re-verification"
    KEY: ClassVar[str] = "repair"
    repair: str
    verifier: str
    why: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class ReVerify(Command, frozen=True, kw_only=True, omit_defaults=True):
    """重新检定 All three inspections anew, and the certificate if they show no fault: number, verifier, the last day
    on which it holds, the seals that were put on.
    """

    PATH: ClassVar[str] = "/v1/repairs/{repair}/re-verify"
    KEY: ClassVar[str] = "repair"
    repair: str
    site: str
    certificate: str
    verifier: str
    valid_until: date
    appearance: StepReport
    function: StepReport
    accuracy: StepReport
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    seals: tuple[str, ...] = ()


class RestoreKeys(Command, frozen=True, kw_only=True, omit_defaults=True):
    """恢复密钥 The keys of the metering network are on it again; `reference` is the record of the key system."""

    PATH: ClassVar[str] = "/v1/repairs/{repair}/restore-keys"
    KEY: ClassVar[str] = "repair"
    repair: str
    reference: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class ReturnFromRepair(Command, frozen=True, kw_only=True, omit_defaults=True):
    """修后返回 It is back: repaired, with these parts replaced, or beyond repair and why."""

    PATH: ClassVar[str] = "/v1/repairs/{repair}/return-from-repair"
    KEY: ClassVar[str] = "repair"
    repair: str
    outcome: Literal["beyond_repair", "repaired"]
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    parts: tuple[PartReplaced, ...] = ()
    why: str | None = None


class SendForRepair(Command, frozen=True, kw_only=True, omit_defaults=True):
    """送修 Its repairer has the device, under this delivery note or work order."""

    PATH: ClassVar[str] = "/v1/repairs/{repair}/send-for-repair"
    KEY: ClassVar[str] = "repair"
    repair: str
    reference: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class ConcludeReview(Command, frozen=True, kw_only=True, omit_defaults=True):
    """复核结论 Count how often the institute agrees, and say what follows."""

    PATH: ClassVar[str] = "/v1/reviews/{review}/conclude-review"
    KEY: ClassVar[str] = "review"
    review: str
    by: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class CorrectResult(Command, frozen=True, kw_only=True, omit_defaults=True):
    """更正复检结果 What was entered is not what was found, says another person, and why."""

    PATH: ClassVar[str] = "/v1/reviews/{review}/correct-result"
    KEY: ClassVar[str] = "review"
    review: str
    asset_no: str
    disposition: Literal["claim", "reuse", "scrap"]
    report: str
    why: str
    by: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class EntrustNonce(Command, frozen=True, kw_only=True, omit_defaults=True):
    """托付随机数摘要 The supervisor gives the SHA-256 of 32 random bytes, and keeps these to itself. It accepts the hours
    in which they are to be revealed, or sets its own, which may be fewer than anybody may propose.
    """

    PATH: ClassVar[str] = "/v1/reviews/{review}/entrust-nonce"
    KEY: ClassVar[str] = "review"
    review: str
    nonce_sha256: str
    by: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    reveal_within_h: int | None = None


class ProposeReview(Command, frozen=True, kw_only=True, omit_defaults=True):
    """提出复核 Which verdicts are reviewed, by which sampling plan, and within how many hours the nonce is to be
    revealed once a published checkpoint covers the commitment.
    """

    PATH: ClassVar[str] = "/v1/reviews/{review}/propose-review"
    KEY: ClassVar[str] = "review"
    review: str
    criteria: ReviewCriteria
    plan: str
    by: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    reveal_within_h: int = 72


class RecordResult(Command, frozen=True, kw_only=True, omit_defaults=True):
    """登记复检结果 What the institute itself finds is to be done with the device, by which report."""

    PATH: ClassVar[str] = "/v1/reviews/{review}/record-result"
    KEY: ClassVar[str] = "review"
    review: str
    asset_no: str
    disposition: Literal["claim", "reuse", "scrap"]
    report: str
    by: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    why: str | None = None


class ReplaceSample(Command, frozen=True, kw_only=True, omit_defaults=True):
    """替换样本 A sample cannot be tested; the next spare of its stratum takes its place."""

    PATH: ClassVar[str] = "/v1/reviews/{review}/replace-sample"
    KEY: ClassVar[str] = "review"
    review: str
    asset_no: str
    reason: Literal["damaged", "destroyed", "missing", "other", "unreadable"]
    why: str
    by: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class RevealNonce(Command, frozen=True, kw_only=True, omit_defaults=True):
    """揭示随机数 The 32 bytes, with size and root of the first published checkpoint that covers the commitment, as the
    supervisor holds it. Before there is one nobody may know the nonce: a right one that comes earlier fails the
    draw.
    """

    PATH: ClassVar[str] = "/v1/reviews/{review}/reveal-nonce"
    KEY: ClassVar[str] = "review"
    review: str
    nonce: str
    checkpoint_size: int
    checkpoint_root: str
    by: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class WithdrawReview(Command, frozen=True, kw_only=True, omit_defaults=True):
    """撤回复核 Give it up before its population is committed."""

    PATH: ClassVar[str] = "/v1/reviews/{review}/withdraw-review"
    KEY: ClassVar[str] = "review"
    review: str
    why: str
    by: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class EndRun(Command, frozen=True, kw_only=True, omit_defaults=True):
    """结束检测批 Nothing more is reported."""

    PATH: ClassVar[str] = "/v1/runs/{run_id}/end-run"
    KEY: ClassVar[str] = "run_id"
    run_id: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class StartRun(Command, frozen=True, kw_only=True, omit_defaults=True):
    """开始检测批 A bench begins to report devices by position."""

    PATH: ClassVar[str] = "/v1/runs/{run_id}/start-run"
    KEY: ClassVar[str] = "run_id"
    run_id: str
    bench: str
    site: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class PublishScheme(Command, frozen=True, kw_only=True, omit_defaults=True):
    """发布方案 The next version of a scheme group, whole, and why it changes."""

    PATH: ClassVar[str] = "/v1/schemes/{group}/publish-scheme"
    KEY: ClassVar[str] = "group"
    group: str
    version: int
    scheme: Scheme
    why: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class CancelShipment(Command, frozen=True, kw_only=True, omit_defaults=True):
    """作废移交单 Before anything has left."""

    PATH: ClassVar[str] = "/v1/shipments/{shipment_id}/cancel-shipment"
    KEY: ClassVar[str] = "shipment_id"
    shipment_id: str
    why: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class DispatchShipment(Command, frozen=True, kw_only=True, omit_defaults=True):
    """发车 All devices on the manifest leave."""

    PATH: ClassVar[str] = "/v1/shipments/{shipment_id}/dispatch-shipment"
    KEY: ClassVar[str] = "shipment_id"
    shipment_id: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    seal_no: str | None = None


class PrepareShipment(Command, frozen=True, kw_only=True, omit_defaults=True):
    """编制移交单 List the devices that are to go, and the containers that go with all that is in them then."""

    PATH: ClassVar[str] = "/v1/shipments/{shipment_id}/prepare-shipment"
    KEY: ClassVar[str] = "shipment_id"
    shipment_id: str
    from_site: str
    to_site: str
    unit: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    manifest: tuple[Line, ...] = ()
    carrier: str | None = None
    containers: tuple[str, ...] = ()


class ReceiveShipment(Command, frozen=True, kw_only=True, omit_defaults=True):
    """接收 What was found on arrival, device by device; the rest of the manifest is missing. `site` is where that
    was seen; where it is not said, it is where the shipment went.
    """

    PATH: ClassVar[str] = "/v1/shipments/{shipment_id}/receive-shipment"
    KEY: ClassVar[str] = "shipment_id"
    shipment_id: str
    found: tuple[FoundLine, ...]
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    site: str | None = None


class SignHandover(Command, frozen=True, kw_only=True, omit_defaults=True):
    """移交签字 A party signs the transfer note, by somebody who may act for its site. `signer` is the caller's own
    opaque subject id: nobody signs in another's name.
    """

    PATH: ClassVar[str] = "/v1/shipments/{shipment_id}/sign-handover"
    KEY: ClassVar[str] = "shipment_id"
    shipment_id: str
    party: Literal["from", "to"]
    signer: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    document_sha256: str | None = None


class CloseSite(Command, frozen=True, kw_only=True, omit_defaults=True):
    """停用站点 Nothing comes here any more."""

    PATH: ClassVar[str] = "/v1/sites/{site_id}/close-site"
    KEY: ClassVar[str] = "site_id"
    site_id: str
    why: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None


class OpenSite(Command, frozen=True, kw_only=True, omit_defaults=True):
    """启用站点 A place begins to hold devices."""

    PATH: ClassVar[str] = "/v1/sites/{site_id}/open-site"
    KEY: ClassVar[str] = "site_id"
    site_id: str
    kind: Literal["centre", "laboratory", "materials", "unit_store"]
    name: str
    unit: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    county: str | None = None


class RecordStocktake(Command, frozen=True, kw_only=True, omit_defaults=True):
    """盘点 What was counted, class by class, and which devices are short or over against the book."""

    PATH: ClassVar[str] = "/v1/sites/{site_id}/record-stocktake"
    KEY: ClassVar[str] = "site_id"
    site_id: str
    lines: tuple[CountLine, ...]
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    short: tuple[Difference, ...] = ()
    over: tuple[Difference, ...] = ()


class PublishTable(Command, frozen=True, kw_only=True, omit_defaults=True):
    """发布判定表 The next version of a table, whole, and why it changes."""

    PATH: ClassVar[str] = "/v1/tables/{name}/publish-table"
    KEY: ClassVar[str] = "name"
    name: str
    version: int
    why: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None
    verdict: VerdictTable | None = None
    prices: Prices | None = None


class ListAlarms(Question[Page[Alarm]], frozen=True, kw_only=True):
    """警报 Devices that were where they should not have been, the latest first."""

    PATH: ClassVar[str] = "/v1/alarms"
    ANSWER: ClassVar[Any] = Page[Alarm]
    seen: int | None = None
    unit: str | None = None
    limit: int | None = None


class ListBalances(Question[Page[BalanceLine]], frozen=True, kw_only=True):
    """站点日结 opening + inflow - outflow = closing, by site, class and business day; `unit` asks for its sites."""

    PATH: ClassVar[str] = "/v1/balances"
    ANSWER: ClassVar[Any] = Page[BalanceLine]
    first: date
    last: date
    seen: int | None = None
    site: str | None = None
    device_class: str | None = None
    unit: str | None = None
    limit: int | None = None


class ListBurnt(Question[Page[BurntCount]], frozen=True, kw_only=True):
    """烧损拆回 Devices dismantled as burnt, by year and county."""

    PATH: ClassVar[str] = "/v1/burnt"
    ANSWER: ClassVar[Any] = Page[BurntCount]


class GetCertificate(Download, frozen=True, kw_only=True):
    """重新检定证书文件 The certificate of this number: the device, what was measured by which scheme, who verified it, its
    new seals, and until when it holds. It is the same bytes whenever it is asked for. What failed has none.
    """

    PATH: ClassVar[str] = "/v1/certificates/{certificate}"
    certificate: str


class ListContainers(Question[Page[ContainerLine]], frozen=True, kw_only=True):
    """周转箱 Containers and pallets; `unit` asks for those at its sites."""

    PATH: ClassVar[str] = "/v1/containers"
    ANSWER: ClassVar[Any] = Page[ContainerLine]
    seen: int | None = None
    site: str | None = None
    unit: str | None = None
    shipment: str | None = None
    limit: int | None = None


class GetContainer(Question[ContainerWhole], frozen=True, kw_only=True):
    """周转箱详情 One container: where it is, sealed or open, how many devices are in it, which did not follow it. The
    devices themselves are listed as devices, by `container`.
    """

    PATH: ClassVar[str] = "/v1/containers/{container_id}"
    ANSWER: ClassVar[Any] = ContainerWhole
    container_id: str
    seen: int | None = None


class ListCustodyGaps(Question[Page[Gap]], frozen=True, kw_only=True):
    """保管断点 Devices between two custodians since before a day: on the way, missing, lost, unexpected."""

    PATH: ClassVar[str] = "/v1/custody-gaps"
    ANSWER: ClassVar[Any] = Page[Gap]
    before: date
    seen: int | None = None
    unit: str | None = None
    limit: int | None = None


class ListDuplicates(Question[Page[Duplicate]], frozen=True, kw_only=True):
    """重号 Communication addresses that several devices share, the most shared first."""

    PATH: ClassVar[str] = "/v1/duplicates"
    ANSWER: ClassVar[Any] = Page[Duplicate]
    seen: int | None = None
    limit: int | None = None


class ListHoldsDue(Question[Page[Hold]], frozen=True, kw_only=True):
    """到期留存 Holds that end on or before a day, the earliest first."""

    PATH: ClassVar[str] = "/v1/holds/due"
    ANSWER: ClassVar[Any] = Page[Hold]
    by: date
    seen: int | None = None
    unit: str | None = None
    limit: int | None = None


class ListImports(Question[Page[Import]], frozen=True, kw_only=True):
    """导入列表 The caller's own imports, the newest first."""

    PATH: ClassVar[str] = "/v1/imports"
    ANSWER: ClassVar[Any] = Page[Import]
    limit: int | None = None


class GetImport(Question[Import], frozen=True, kw_only=True):
    """导入进度 How an import stands."""

    PATH: ClassVar[str] = "/v1/imports/{import_id}"
    ANSWER: ClassVar[Any] = Import
    import_id: str


class GetImportErrors(Download, frozen=True, kw_only=True):
    """被拒的行 What was refused, and what passed with a warning, as CSV."""

    PATH: ClassVar[str] = "/v1/imports/{import_id}/errors"
    import_id: str


class ListInspections(Question[Page[InspectionRow]], frozen=True, kw_only=True):
    """分拣列表 Devices that were inspected, by asset number, those that the caller may see."""

    PATH: ClassVar[str] = "/v1/inspections"
    ANSWER: ClassVar[Any] = Page[InspectionRow]
    seen: int | None = None
    phase: str | None = None
    bench: str | None = None
    site: str | None = None
    disposition: str | None = None
    unit: str | None = None
    limit: int | None = None


class GetInspection(Question[InspectionRow], frozen=True, kw_only=True):
    """分拣 How a device's sorting stands."""

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}"
    ANSWER: ClassVar[Any] = InspectionRow
    asset_no: str
    seen: int | None = None


class GetForm(Question[Form], frozen=True, kw_only=True):
    """扫码取表单 What a bench does next with a device that it scanned, and the form for it, as the log has it now. With
    `bench`, whether another bench has it.
    """

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/form"
    ANSWER: ClassVar[Any] = Form
    asset_no: str
    bench: str | None = None


class GetSortingLife(Question[Page[Entry]], frozen=True, kw_only=True):
    """分拣履历 Every event of a device's sorting and of its repairs, in order, as it is in the log: all, or those up
    to a position of the log, or those of what had happened by the end of a business day.
    """

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/life"
    ANSWER: ClassVar[Any] = Page[Entry]
    asset_no: str
    as_of_position: int | None = None
    as_of_day: date | None = None
    limit: int | None = None


class GetVerdict(Question[VerdictShown], frozen=True, kw_only=True):
    """结论全文 The last verdict on a device, with the assessments that it came from, as the log has it now."""

    PATH: ClassVar[str] = "/v1/inspections/{asset_no}/verdict"
    ANSWER: ClassVar[Any] = VerdictShown
    asset_no: str


class ListDevices(Question[Page[Card]], frozen=True, kw_only=True):
    """档案卡列表 Devices by asset number, those that the caller may see."""

    PATH: ClassVar[str] = "/v1/meters"
    ANSWER: ClassVar[Any] = Page[Card]
    seen: int | None = None
    site: str | None = None
    phase: str | None = None
    unit: str | None = None
    shipment: str | None = None
    device_class: str | None = None
    holder: str | None = None
    purpose: str | None = None
    comm_address: str | None = None
    container: str | None = None
    limit: int | None = None


class GetTimeline(Question[Timeline], frozen=True, kw_only=True):
    """全程 A device's card and its whole life, across all services."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}"
    ANSWER: ClassVar[Any] = Timeline
    asset_no: str
    seen: int | None = None
    as_of_position: int | None = None
    as_of_day: date | None = None


class GetDevice(Question[Card], frozen=True, kw_only=True):
    """档案卡 A device now, or as it was at a position of the log or at the end of a business day."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/card"
    ANSWER: ClassVar[Any] = Card
    asset_no: str
    seen: int | None = None
    as_of_position: int | None = None
    as_of_day: date | None = None


class GetLife(Question[Page[Entry]], frozen=True, kw_only=True):
    """履历 Every event of a device, in order, as it is in the log: all, or those up to a position of the log, or
    those of what had happened by the end of a business day.
    """

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/life"
    ANSWER: ClassVar[Any] = Page[Entry]
    asset_no: str
    as_of_position: int | None = None
    as_of_day: date | None = None
    limit: int | None = None


class GetAssetPage(Download, frozen=True, kw_only=True):
    """一表一档 Everything that is recorded about one device, now or as of a position."""

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/page"
    asset_no: str
    format: Literal["pdf"] | None = None
    as_of_position: int | None = None


class GetProofs(Download, frozen=True, kw_only=True):
    """器具存证 Proofs that a device's events are in the published log, those that one may read, as a ZIP: of each
    event `<version>.tlog-proof` with the event itself as `extra`, all against one checkpoint, and the log's key
    and the policy that the operator recommends, which whoever verifies has better from elsewhere. The header
    Meterloop-Left-Out counts events that no published checkpoint covers yet: ask again a few seconds later.
    """

    PATH: ClassVar[str] = "/v1/meters/{asset_no}/proofs"
    asset_no: str


class ListPlans(Question[Page[PlanRow]], frozen=True, kw_only=True):
    """回收计划 Recovery plans by unit and month."""

    PATH: ClassVar[str] = "/v1/plans"
    ANSWER: ClassVar[Any] = Page[PlanRow]
    seen: int | None = None
    unit: str | None = None
    cohort: str | None = None
    limit: int | None = None


class ListRecovery(Question[Page[RecoveryRate]], frozen=True, kw_only=True):
    """回收率 What was dismantled in these months, and what of it has been received, by unit."""

    PATH: ClassVar[str] = "/v1/recovery"
    ANSWER: ClassVar[Any] = Page[RecoveryRate]
    first: str
    last: str
    seen: int | None = None
    unit: str | None = None
    limit: int | None = None


class GetRecoveryLedger(Download, frozen=True, kw_only=True):
    """回收统计台账 Recovery by unit and month against the plans, as of now, with lines for who made it, checked it and
    approved it. Its `SHA-256 of rows` is of all `items` of GET /v1/recovery for these months and unit, as one JSON
    array in UTF-8, the members of each in alphabetical order, without spaces: it agrees until an event changes a
    row.
    """

    PATH: ClassVar[str] = "/v1/recovery/ledger"
    first: str
    last: str
    unit: str | None = None
    format: Literal["pdf", "xlsx"] | None = None
    seen: int | None = None


class ListOwed(Question[Page[Owed]], frozen=True, kw_only=True):
    """应交未交 What a unit has dismantled under work orders and no centre has received, the oldest first."""

    PATH: ClassVar[str] = "/v1/recovery/owed"
    ANSWER: ClassVar[Any] = Page[Owed]
    unit: str
    seen: int | None = None
    limit: int | None = None


class ListRepairs(Question[Page[RepairRow]], frozen=True, kw_only=True):
    """维修单列表 Repairs by their numbers, those that the caller may see; also who has which certificate number."""

    PATH: ClassVar[str] = "/v1/repairs"
    ANSWER: ClassVar[Any] = Page[RepairRow]
    seen: int | None = None
    asset_no: str | None = None
    phase: str | None = None
    route: str | None = None
    repairer: str | None = None
    certificate: str | None = None
    unit: str | None = None
    limit: int | None = None


class GetRepair(Question[RepairRow], frozen=True, kw_only=True):
    """维修单 How a repair stands."""

    PATH: ClassVar[str] = "/v1/repairs/{repair}"
    ANSWER: ClassVar[Any] = RepairRow
    repair: str
    seen: int | None = None


class ListReviews(Question[Page[ReviewRow]], frozen=True, kw_only=True):
    """复核列表 Reviews by id."""

    PATH: ClassVar[str] = "/v1/reviews"
    ANSWER: ClassVar[Any] = Page[ReviewRow]
    seen: int | None = None
    phase: str | None = None
    limit: int | None = None


class GetReview(Question[ReviewRow], frozen=True, kw_only=True):
    """复核 How a review stands."""

    PATH: ClassVar[str] = "/v1/reviews/{review}"
    ANSWER: ClassVar[Any] = ReviewRow
    review: str
    seen: int | None = None


class ListSamples(Question[Page[SampleRow]], frozen=True, kw_only=True):
    """样本清单 What is to be re-tested, where it lies, and what came of it, without the verdicts: who re-tests is not
    to know them.
    """

    PATH: ClassVar[str] = "/v1/reviews/{review}/samples"
    ANSWER: ClassVar[Any] = Page[SampleRow]
    review: str
    seen: int | None = None
    state: str | None = None
    limit: int | None = None


class GetSampleList(Download, frozen=True, kw_only=True):
    """复核样本清单文件 What a review has drawn, to fetch it by: samples and spares with the place where each lies now,
    columns and lines to be signed by hand. Nothing in it tells how a device was sorted. `seen`: wait, within
    bounds, until the places are as of this position or later.
    """

    PATH: ClassVar[str] = "/v1/reviews/{review}/sheet"
    review: str
    seen: int | None = None


class ListSchemes(Question[Page[SchemeRow]], frozen=True, kw_only=True):
    """方案 The scheme groups, their versions and the classes they cover."""

    PATH: ClassVar[str] = "/v1/schemes"
    ANSWER: ClassVar[Any] = Page[SchemeRow]
    seen: int | None = None
    limit: int | None = None


class GetScheme(Question[SchemePublished], frozen=True, kw_only=True):
    """方案全文 A version of a scheme group whole, the one that stands unless `version` names another. For everybody."""

    PATH: ClassVar[str] = "/v1/schemes/{group}"
    ANSWER: ClassVar[Any] = SchemePublished
    group: str
    version: int | None = None


class ListShipments(Question[Page[ShipmentRow]], frozen=True, kw_only=True):
    """移交单 Transfer notes."""

    PATH: ClassVar[str] = "/v1/shipments"
    ANSWER: ClassVar[Any] = Page[ShipmentRow]
    seen: int | None = None
    phase: str | None = None
    unit: str | None = None
    from_site: str | None = None
    to_site: str | None = None
    limit: int | None = None


class GetShipment(Question[Consignment], frozen=True, kw_only=True):
    """移交单全文 One shipment whole: what was listed, what became of each device, who signed."""

    PATH: ClassVar[str] = "/v1/shipments/{shipment_id}"
    ANSWER: ClassVar[Any] = Consignment
    shipment_id: str


class GetTransferNote(Download, frozen=True, kw_only=True):
    """移交单文件 A shipment's transfer note, to be printed, signed and kept. After receipt it stands as of the
    shipment's last event, before that as of now; as of one position it is always the same note, but for the names
    of those who signed, which are shown as long as they are known to who may know them, and their opaque ids
    otherwise. Of devices that the reader may not see it says number and class, as the shipment does, and no more.
    """

    PATH: ClassVar[str] = "/v1/shipments/{shipment_id}/transfer-note"
    shipment_id: str
    format: Literal["pdf", "xlsx"] | None = None
    as_of_position: int | None = None


class ListSites(Question[Page[SiteRow]], frozen=True, kw_only=True):
    """站点 Places that hold devices."""

    PATH: ClassVar[str] = "/v1/sites"
    ANSWER: ClassVar[Any] = Page[SiteRow]
    seen: int | None = None
    kind: str | None = None
    unit: str | None = None
    limit: int | None = None


class ListStocktakes(Question[Page[StocktakeLine]], frozen=True, kw_only=True):
    """盘点对账 What each stocktake of a site counted, class by class, beside what the record has there that day."""

    PATH: ClassVar[str] = "/v1/sites/{site_id}/stocktakes"
    ANSWER: ClassVar[Any] = Page[StocktakeLine]
    site_id: str
    seen: int | None = None
    limit: int | None = None


class ListAgreement(Question[Page[Agreement]], frozen=True, kw_only=True):
    """检测台间一致性 Devices that were judged twice, by the benches and shifts that did it: pairs whose second verdict is
    of these days.
    """

    PATH: ClassVar[str] = "/v1/stations/agreement"
    ANSWER: ClassVar[Any] = Page[Agreement]
    first_day: date
    last_day: date
    seen: int | None = None
    site: str | None = None


class ListBacklog(Question[Page[Backlog]], frozen=True, kw_only=True):
    """积压 What waits at sorting centres for its verdict, or for a person to say what becomes of it, by site and
    class, and for how long as of this day.
    """

    PATH: ClassVar[str] = "/v1/stations/backlog"
    ANSWER: ClassVar[Any] = Page[Backlog]
    on: date
    seen: int | None = None
    site: str | None = None


class ListInspectorAgreement(Question[Page[InspectorAgreement]], frozen=True, kw_only=True):
    """检验员间一致性 Devices that two inspectors inspected one after the other, by their subject ids: pairs whose second
    verdict is of these days, where there are enough of them. For those who answer for the work of the hall.
    """

    PATH: ClassVar[str] = "/v1/stations/inspectors"
    ANSWER: ClassVar[Any] = Page[InspectorAgreement]
    first_day: date
    last_day: date
    seen: int | None = None
    site: str | None = None


class ListQueues(Question[Page[Queue]], frozen=True, kw_only=True):
    """检测台队列 What is under way at benches, by the step that it waits for."""

    PATH: ClassVar[str] = "/v1/stations/queues"
    ANSWER: ClassVar[Any] = Page[Queue]
    seen: int | None = None
    site: str | None = None
    bench: str | None = None


class ListThroughput(Question[Page[Throughput]], frozen=True, kw_only=True):
    """检测台产量 Verdicts of the shifts that began on a business day, by bench and hour."""

    PATH: ClassVar[str] = "/v1/stations/throughput"
    ANSWER: ClassVar[Any] = Page[Throughput]
    day: date
    seen: int | None = None
    site: str | None = None
    bench: str | None = None


class ListYield(Question[Page[Yield]], frozen=True, kw_only=True):
    """一次通过率与结论分布 First verdicts on devices in the shifts of these days, first and last included, grouped by bench,
    site, shift, class, maker or batch.
    """

    PATH: ClassVar[str] = "/v1/stations/yield"
    ANSWER: ClassVar[Any] = Page[Yield]
    by: Literal["batch", "bench", "device_class", "maker", "shift", "site"]
    first_day: date
    last_day: date
    seen: int | None = None
    site: str | None = None
    bench: str | None = None
    device_class: str | None = None
    maker: str | None = None


class GetTable(Question[TablePublished], frozen=True, kw_only=True):
    """判定表全文 A version of a table whole, the one that stands unless `version` names another. For everybody."""

    PATH: ClassVar[str] = "/v1/tables/{name}"
    ANSWER: ClassVar[Any] = TablePublished
    name: Literal["prices", "verdict"]
    version: int | None = None

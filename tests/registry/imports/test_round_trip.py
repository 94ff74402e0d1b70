"""A clean table says the same in every format, encoding, separator and wording."""

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.registry import asset_number
from tests.registry.imports.sheets import DEFAULT, TODAY, as_csv, as_ndjson, as_parquet, as_xlsx, result_of

FIELDS = DEFAULT.kinds["dismantled"]
# A cell that begins with # may be one of a spreadsheet's errors, which are refused.
REMARKS = st.text(
    st.characters(codec="gb18030", categories=["L", "N", "P", "Zs"], exclude_characters="\u3000#"),
    min_size=1,
    max_size=30,
)
ASSET_NUMBERS = st.builds(
    asset_number.compose,
    st.from_regex(r"[1-9][0-9]{4}", fullmatch=True),
    st.sampled_from(["01", "02"]),
    st.from_regex(r"[0-9]{14}", fullmatch=True),
)


@st.composite
def devices(draw):
    """A row as it should be read, the words one may write for it, and cells that a workbook may have instead."""
    day = draw(st.dates(date(2000, 1, 1), TODAY))
    watt_hours = draw(st.integers(0, 10**12))
    reason = draw(st.sampled_from(sorted(FIELDS["reason"].choices)))
    number = draw(ASSET_NUMBERS)
    order = draw(st.from_regex(r"[A-Z]{2}[0-9]{4,12}", fullmatch=True))
    values = {
        "asset_no": number,
        "work_order": order,
        "reason": reason,
        "occurred_on": day.isoformat(),
        "reading": {"total_wh": watt_hours},
    }
    kwh = f"{watt_hours // 1000}.{watt_hours % 1000:03d}"
    serial = (day - date(1899, 12, 30)).days
    written = [
        draw(st.sampled_from([number, f" {number}", number.translate({48 + i: 0xFF10 + i for i in range(10)})])),
        draw(st.sampled_from([order, order.lower().upper() + "\u00a0"])),
        draw(st.sampled_from([reason, *FIELDS["reason"].choices[reason]])),
        draw(
            st.sampled_from(
                [
                    day.isoformat(),
                    f"{day:%Y%m%d}",
                    f"{day.year}/{day.month}/{day.day}",
                    f"{day.year}年{day.month}月{day.day}日",
                    str(serial),
                ]
            )
        ),
        draw(
            st.sampled_from([kwh, f"{kwh} kWh", f"{watt_hours // 1000:,}.{watt_hours % 1000:03d}", f"{watt_hours}Wh"])
        ),
    ]
    typed = [number, order, written[2], draw(st.sampled_from([day, serial, float(serial), int(f"{day:%Y%m%d}")])), kwh]
    return values, written, typed


TABLES = st.lists(devices(), min_size=1, max_size=12)
HEADERS = st.tuples(
    *(
        st.sampled_from(FIELDS[name].headers)
        for name in ("asset_no", "work_order", "reason", "occurred_on", "reading.total_wh")
    )
)


@settings(max_examples=25, deadline=None)
@given(
    TABLES,
    HEADERS,
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_csv(table, headers, encoding, separator, line_end):
    content = as_csv(
        [headers, *(written for _, written, _ in table)], encoding=encoding, separator=separator, line_end=line_end
    )
    result = result_of(content, "dismantled")
    assert result.values == [values for values, _, _ in table]
    assert [row.number for row in result.rows] == list(range(2, len(table) + 2))
    assert result.errors == result.warnings == []


@settings(max_examples=20, deadline=None)
@given(TABLES, HEADERS, st.booleans())
def test_xlsx_ndjson_and_parquet(table, headers, as_typed):
    wanted = [values for values, _, _ in table]
    rows = [headers, *(typed if as_typed else written for _, written, typed in table)]
    for content in (as_xlsx(rows), as_ndjson(rows)):
        assert result_of(content, "dismantled").values == wanted
    columns = [headers, *(written for _, written, _ in table)]
    assert result_of(as_parquet(columns), "dismantled").values == wanted


@settings(max_examples=25, deadline=None)
@given(st.lists(REMARKS, min_size=1, max_size=20), st.sampled_from(["utf-8", "gb18030"]), st.sampled_from(",;\t"))
def test_text_means_the_same_in_every_format(remarks, encoding, separator):
    rows = [["资产编号", "设备类别", "备注"]]
    rows += [[asset_number.compose("99401", "01", f"{i:014d}"), "01", remark] for i, remark in enumerate(remarks)]
    csv = result_of(as_csv(rows, encoding=encoding, separator=separator))
    assert csv.errors == []
    assert len(csv.rows) == len(remarks)
    for content in (as_xlsx(rows), as_ndjson(rows), as_parquet(rows)):
        assert result_of(content).values == csv.values


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 4000))
def test_a_day_is_the_same_day_as_date_serial_and_text(back):
    day = TODAY - timedelta(days=back)
    rows = [["资产编号", "设备类别", "出厂日期"]]
    cells = [day, (day - date(1899, 12, 30)).days, day.isoformat()]
    rows += [[asset_number.compose("99401", "01", f"{i:014d}"), "01", cell] for i, cell in enumerate(cells)]
    assert {values["description"]["made_on"] for values in result_of(as_xlsx(rows)).values} == {day.isoformat()}

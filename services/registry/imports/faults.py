"""Every way in which a file, a cell or a mapping can fail to be read, each saying what to do about it.

`import_file` and `import_mapping` end a reading; `import_cell` and `import_row` refuse one row and let the rest pass,
or are said of it.
"""

from typing import Final

from kernel.refusal import stale, unreadable

NOTE_BELOW: Final = unreadable(
    "import_row.note_below",
    "表格下方的文字，视为说明，未作数据读取。如果这是一只器具，请补全该行后重新导入。",
    "words below the table, taken for a note and not read as data; if this is a device, complete its row and import "
    "the table again",
)
COLUMNS_UNKNOWN: Final = unreadable(
    "import_file.columns_unknown",
    "没有这些字段：{columns}。以字段名为列名的文件须逐一正确；不需要的列可在映射文件的 ignored 中写明。",
    "there are no such fields: {columns}; where columns are fields' names each must be right; those not wanted can be "
    "named under 'ignored' in the mapping file",
)

REQUIRED: Final = unreadable("import_cell.required", "此项必填。", "this must be filled in")
NUMBER_AS_NUMBER: Final = unreadable(
    "import_cell.number_not_text",
    "资产编号须以文本给出（加引号）：JSON 数字在多数程序中只保留 15 至 17 位。",
    "an asset number is given as text, in quotation marks: most programs keep only 15 to 17 digits of a JSON number",
)
SCIENTIFIC: Final = unreadable(
    "import_cell.scientific_notation",
    "“{value}”是表格软件把长数字改成的科学计数法，其余数字已丢失。请先将该列格式设为“文本”，再从原始来源重新粘贴。",
    "'{value}' is a long number that a spreadsheet turned into scientific notation: the other digits are lost. Set the "
    "column's format to text first, then paste the numbers again from their source",
)
DIGITS_LOST: Final = unreadable(
    "import_cell.digits_lost",
    "该单元格为数值，表格软件只保留 15 位有效数字，其余已丢失。请先将该列格式设为“文本”，再从原始来源重新粘贴。",
    "the cell holds a number, of which a spreadsheet keeps 15 digits: the others are lost. Set the column's format to "
    "text first, then paste the numbers again from their source",
)
FRACTION_IN_CODE: Final = unreadable(
    "import_cell.fraction_in_code",
    "编号不应有小数：{value}。",
    "a code has no fraction: {value}",
)
DATE_IN_CODE: Final = unreadable(
    "import_cell.date_in_code",
    "表格软件把编号变成了日期。请将该列格式设为“文本”后重新填写。",
    "a spreadsheet turned the code into a date; set the column's format to text and enter it again",
)
NOT_A_VALUE: Final = unreadable(
    "import_cell.not_a_value",
    "此处应为一个值，实为 {what}。",
    "one value belongs here, not {what}",
)
SPREADSHEET_ERROR: Final = unreadable(
    "import_cell.spreadsheet_error",
    "该单元格是表格软件的错误值（如 #N/A）。请修正公式，或粘贴为值。",
    "the cell holds a spreadsheet's error value (such as #N/A); mend the formula, or paste it as a value",
)
BROKEN_TEXT: Final = unreadable(
    "import_cell.broken_text",
    "该单元格含有无法按 {encoding} 解码的字节。请核对原文并重新导出。",
    "the cell has bytes that are not {encoding}; compare it with its source and export it again",
)
COLUMNS_DISAGREE: Final = unreadable(
    "import_cell.columns_disagree",
    "含义相同的各列取值不同。请只保留一列，或在映射文件的 ignored 中写明不读的列。",
    "columns that mean the same hold different values; keep one of them, or name the other under 'ignored' in the "
    "mapping file",
)
COLUMN_NOT_USED: Final = unreadable(
    "import_cell.column_not_used",
    "此列的内容不是该字段的取值，未采用；已采用“{used}”列（每列只提示一次）。",
    "what this column holds is no value of the field and was not used; column '{used}' was (said once a column)",
)
WRONG_LENGTH: Final = unreadable(
    "import_cell.wrong_length",
    "应为 {length} 位，实为 {found} 位。",
    "this should have {length} characters, not {found}",
)
WRONG_FORM: Final = unreadable(
    "import_cell.wrong_form",
    "格式不符，应为{form_zh}。",
    "this does not have the right form: {form_en}",
)
TOO_LONG: Final = unreadable(
    "import_cell.too_long",
    "文字过长：{found} 个字，上限 {limit}。",
    "the text is too long: {found} characters, the limit is {limit}",
)
NOT_IN_LIST: Final = unreadable(
    "import_cell.not_in_list",
    "不在代码表中。可用：{choices}。也可在映射文件中补充名称。",
    "this is not in the list; possible are: {choices}. Names can be added in the mapping file",
)
UNLISTED: Final = unreadable(
    "import_cell.unlisted",
    "“{value}”不在代码表中，未采用（相同取值只提示一次）。可在映射文件中补充名称。",
    "'{value}' is not in the list and was not used (said once for equal values); add it in the mapping file",
)
NOT_A_NUMBER: Final = unreadable(
    "import_cell.not_a_number",
    "不是可识别的数字。请写成 1234.56 的样子，可带千位分隔符和单位（{units}）。",
    "this is not a number; write it like 1234.56, thousands separators and a unit ({units}) are understood",
)
NUMBER_AMBIGUOUS: Final = unreadable(
    "import_cell.number_ambiguous",
    "逗号的位置不像千位分隔符，无法确定数值。请用句点作小数点。",
    "the commas do not separate thousands, so the number is not certain; use a full stop as the decimal mark",
)
TOO_PRECISE: Final = unreadable(
    "import_cell.too_precise",
    "小数位过多：该值不是 {base} 的整数倍。",
    "too many decimals: the value is not a whole number of {base}",
)
OUT_OF_RANGE: Final = unreadable(
    "import_cell.out_of_range",
    "数值超出允许范围（{low} 至 {high} {base}）。",
    "the value is out of range ({low} to {high} {base})",
)
UNIT_WRONG: Final = unreadable(
    "import_cell.unit_wrong",
    "单位“{unit}”不适用于此列，可用：{units}。",
    "the unit '{unit}' does not fit this column; possible are: {units}",
)
NOT_A_DATE: Final = unreadable(
    "import_cell.not_a_date",
    "不是可识别的日期。请写成 2024-03-05、2024/3/5、2024年3月5日 或 20240305。",
    "this is not a date; write it as 2024-03-05, 2024/3/5, 2024年3月5日 or 20240305",
)
DATE_AMBIGUOUS: Final = unreadable(
    "import_cell.date_ambiguous",
    "年份不明确。请以四位年份开头，如 2024-03-05。",
    "the year is not certain; begin with the year in four digits, as in 2024-03-05",
)
DATE_IMPOSSIBLE: Final = unreadable(
    "import_cell.date_impossible",
    "没有这一天：{value}。",
    "there is no such day: {value}",
)
DATE_TOO_EARLY: Final = unreadable(
    "import_cell.date_too_early",
    "日期早于 {earliest}。",
    "the date is before {earliest}",
)
DATE_TOO_LATE: Final = unreadable(
    "import_cell.date_too_late",
    "日期晚于 {latest}。",
    "the date is after {latest}",
)
TIME_MISSING: Final = unreadable(
    "import_cell.time_missing",
    "此列须有时刻，如 2024-03-05 08:30:00。",
    "this column needs a time of day, as in 2024-03-05 08:30:00",
)
ZONE_MISSING: Final = unreadable(
    "import_cell.zone_missing",
    "时刻缺少时区，如 2024-03-05T08:30:00+08:00；也可在映射文件中给出该列的时区。",
    "the time lacks its zone, as in 2024-03-05T08:30:00+08:00; the mapping file may give the column's zone",
)
NOT_JSON: Final = unreadable(
    "import_row.not_json",
    "此行不是一个完整的 JSON 对象。",
    "this line is not one complete JSON object",
)

UNKNOWN_FIELD: Final = unreadable(
    "import_row.unknown_field",
    "没有字段“{field}”。以字段名为键的行须逐一正确；不需要的键可在映射文件的 ignored 中写明。",
    "there is no field '{field}'; where keys are fields' names each must be right; one that is not wanted can be named "
    "under 'ignored' in the mapping file",
)
NUMBER_AS_TEXT: Final = unreadable(
    "import_row.number_as_text",
    "“{field}”的值“{value}”是文本。以字段名为键的行，数值须以数字给出（不加引号）。",
    "'{field}' has the text '{value}'; where keys are fields' names a number is given as one, without quotation marks",
)
TIME_WITHOUT_ZONE: Final = unreadable(
    "import_row.time_without_zone",
    "“{field}”的时间“{value}”没有时区。以字段名为键的行，时间须带时区，如 2024-03-05T08:30:00+08:00，或只写日期。",
    "the time '{value}' of '{field}' lacks its zone; where keys are fields' names a time has one, as in "
    "2024-03-05T08:30:00+08:00, or is left out",
)

MAPPING_UNREADABLE: Final = unreadable(
    "import_mapping.unreadable",
    "映射文件无法解析：{problem}",
    "the mapping file cannot be parsed: {problem}",
)
MAPPING_INVALID: Final = unreadable(
    "import_mapping.invalid",
    "映射文件的内容不符：{problem}",
    "the mapping file does not hold together: {problem}",
)
KIND_UNKNOWN: Final = unreadable(
    "import_mapping.kind_unknown",
    "映射文件中没有“{kind}”这一类。可用：{kinds}。",
    "the mapping file has no kind '{kind}'; possible are: {kinds}",
)

CHILD_DIED: Final = stale(
    "import_child.died",
    "读取文件的进程意外中止（{how}）。可从中断处继续。",
    "the process that reads the file ended unexpectedly ({how}); the import can go on from where it stopped",
)
CHILD_MEMORY: Final = unreadable(
    "import_child.memory",
    "读取该文件所需内存超过上限。请拆分，或改存为 CSV（CSV 大小不限）。",
    "reading the file takes more memory than allowed; split it, or save it as CSV, which may have any size",
)
CHILD_TIME: Final = unreadable(
    "import_child.time",
    "读取该文件所需时间超过上限。可从中断处继续；若仍超时，请拆分文件。",
    "reading the file takes more processor time than allowed; go on from where it stopped, or split the file",
)

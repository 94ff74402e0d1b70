"""Every way in which a file fails to be a table, each saying what to do about it."""

from typing import Final

from kernel.refusal import unreadable

EMPTY: Final = unreadable(
    "import_file.empty",
    "文件为空。请确认导出完成后重新上传。",
    "the file is empty; make sure the export has finished, then upload it again",
)
TOO_LARGE: Final = unreadable(
    "import_file.too_large",
    "文件大小 {found} 字节，超过上限 {limit} 字节。请拆分，或改存为 CSV（CSV 大小不限）。",
    "the file has {found} bytes, the limit is {limit}; split it, or save it as CSV, which may have any size",
)
UTF16: Final = unreadable(
    "import_file.utf16",
    "文件编码为 UTF-16 或 UTF-32。请另存为“CSV UTF-8（逗号分隔）”后重新上传。",
    "the file is encoded as UTF-16 or UTF-32; save it as 'CSV UTF-8 (comma delimited)' and upload that",
)
ENCODING_UNKNOWN: Final = unreadable(
    "import_file.encoding_unknown",
    "文件既不是 UTF-8 也不是 GB18030 编码。请另存为“CSV UTF-8（逗号分隔）”后重新上传。",
    "the file is neither UTF-8 nor GB18030; save it as 'CSV UTF-8 (comma delimited)' and upload that",
)
BINARY: Final = unreadable(
    "import_file.binary",
    "文件内容不是表格（{what}）。可导入 CSV、XLSX、NDJSON 或 Parquet。",
    "the file is not a table ({what}); CSV, XLSX, NDJSON and Parquet can be imported",
)
COMPRESSED: Final = unreadable(
    "import_file.compressed",
    "文件为压缩包（{what}）。请先解压，再上传其中的表格。",
    "the file is an archive ({what}); unpack it and upload the table inside",
)
HTML: Final = unreadable(
    "import_file.html",
    "文件实为网页（HTML），只是用了表格的扩展名。请用表格软件打开，另存为 XLSX 后上传。",
    "the file is a web page (HTML) under a spreadsheet's name; open it in a spreadsheet and save it as XLSX",
)
XML: Final = unreadable(
    "import_file.xml",
    "文件为 XML 表格。请用表格软件打开，另存为 XLSX 后上传。",
    "the file is an XML spreadsheet; open it in a spreadsheet program and save it as XLSX",
)
OLD_EXCEL: Final = unreadable(
    "import_file.old_excel",
    "文件为旧版 Excel（.xls）。请另存为 XLSX 后上传。",
    "the file is in the old Excel format (.xls); save it as XLSX and upload that",
)
ENCRYPTED: Final = unreadable(
    "import_file.encrypted",
    "文件设有打开密码。请取消密码后另存再上传。",
    "the file is protected by a password; remove the password, save it and upload that",
)
NOT_XLSX: Final = unreadable(
    "import_file.not_xlsx",
    "文件是压缩包，但不是 XLSX 工作簿（{what}）。请用表格软件另存为 XLSX 后上传。",
    "the file is a zip archive but not an XLSX workbook ({what}); save it as XLSX and upload that",
)
DAMAGED: Final = unreadable(
    "import_file.damaged",
    "文件不完整或已损坏（{what}）。请重新导出或重新上传。",
    "the file is truncated or damaged ({what}); export or upload it again",
)
EXPANDS_TOO_FAR: Final = unreadable(
    "import_file.expands_too_far",
    "文件解压后超过上限 {limit} 字节。请拆分，或改存为 CSV（CSV 大小不限）。",
    "the file expands beyond the limit of {limit} bytes; split it, or save it as CSV, which may have any size",
)
TOO_MANY_SHEETS: Final = unreadable(
    "import_file.too_many_sheets",
    "工作簿有 {found} 个工作表，上限为 {limit}。请拆分后上传。",
    "the workbook has {found} sheets, the limit is {limit}; split it",
)
TOO_MANY_CELLS: Final = unreadable(
    "import_file.too_many_cells",
    "工作表的范围达 {found} 个单元格，上限为 {limit}。请删去表外的多余格式，或改存为 CSV。",
    "the sheet spans {found} cells, the limit is {limit}; delete stray cells outside the table, or save it as CSV",
)
NO_SHEET: Final = unreadable(
    "import_file.no_sheet",
    "工作簿中没有可读的工作表（隐藏的工作表不读）。",
    "the workbook has no sheet to read (hidden sheets are not read)",
)
JSON_ARRAY: Final = unreadable(
    "import_file.json_array",
    "文件是一个 JSON 数组。请改为每行一个对象（NDJSON）。",
    "the file is one JSON array; write one object a line (NDJSON)",
)
NO_HEADER: Final = unreadable(
    "import_file.no_header",
    "前 {rows} 行中没有找到表头。表头至少应有：{wanted}。",
    "no header was found in the first {rows} rows; it should have at least: {wanted}",
)
COLUMNS_MISSING: Final = unreadable(
    "import_file.columns_missing",
    "第 {row} 行的表头缺少必需的列：{missing}。请补上，或在映射文件中写明该列的名称。",
    "the header in row {row} lacks required columns: {missing}; add them, or name them in the mapping file",
)
NO_ROWS: Final = unreadable(
    "import_file.no_rows",
    "表头之下没有数据。",
    "there is nothing below the header",
)
LINE_TOO_LONG: Final = unreadable(
    "import_file.line_too_long",
    "第 {row} 行超过 {limit} 字节仍未结束，多半是缺少换行或右引号。请改正后重新导入，此前各行已接受。",
    "row {row} does not end within {limit} bytes: most likely a line end or a closing quotation mark is missing; "
    "mend it and import again, the rows before it are accepted",
)
CELL_TOO_LONG: Final = unreadable(
    "import_file.cell_too_long",
    "第 {row} 行有单元格超过 {limit} 个字符，不是表格内容。请改正后重新导入，此前各行已接受。",
    "row {row} has a cell of more than {limit} characters, which no table holds; mend it and import again, the rows "
    "before it are accepted",
)
QUOTE_NOT_CLOSED: Final = unreadable(
    "import_file.quote_not_closed",
    "第 {row} 行的引号没有结束，或文件在此中断。请改正后重新导入，此前各行已接受。",
    "a quotation mark that opens in row {row} is never closed, or the file was cut off there; mend it and import "
    "again, the rows before it are accepted",
)
BAD_POSITION: Final = unreadable(
    "import_file.bad_position",
    "续传位置与该文件不符。请从头导入。",
    "the position to resume from does not belong to this file; import it from the beginning",
)

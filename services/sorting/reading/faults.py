"""Every way in which a meter, or the file of a bench, fails to be read, each saying what to look at.

Those of a connection end a reading; those of an answer stand in the place of one value, and the rest is read.
"""

from typing import Final

from kernel.refusal import against_rules, unreadable

NO_LINE: Final = unreadable(
    "meter_read.no_line",
    "无法连接 {place}（{why}）。请检查地址、串口名称、接线与供电。",
    "{place} cannot be reached ({why}); check the address or the port's name, the wiring and the power",
)
LINE_LOST: Final = unreadable(
    "meter_read.line_lost",
    "与 {place} 的连接中断（{why}）。此前读到的已保留但不完整，请检查连接后重读。",
    "the connection to {place} broke ({why}); what was read before is kept but not whole: see to it and read again",
)
NO_ANSWER: Final = unreadable(
    "meter_read.no_answer",
    "电能表没有应答（已询问 {tries} 次）。请检查通信地址、波特率与校验、接线，以及电能表是否已上电。",
    "the meter does not answer (asked {tries} times); check the communication address, baud rate and parity, the "
    "wiring, and that the meter has power",
)
PARTIAL_FRAME: Final = unreadable(
    "meter_read.partial_frame",
    "应答帧不完整：收到 {bytes} 字节后中断。请检查接线与干扰后重读。",
    "the answer breaks off after {bytes} bytes; check the wiring and for interference, and read again",
)
NOISE: Final = unreadable(
    "meter_read.noise",
    "收到 {bytes} 字节，其中没有应答帧。请核对波特率、校验方式与规约。",
    "{bytes} bytes came in and no frame among them; check baud rate, parity and protocol",
)
BAD_CHECKSUM: Final = unreadable(
    "meter_read.bad_checksum",
    "应答帧校验和不符。请检查接线与干扰后重读。",
    "the checksum of the answer is wrong; check the wiring and for interference, and read again",
)
OTHER_METER: Final = unreadable(
    "meter_read.other_meter",
    "应答的是另一只电能表（{address}），不是 {asked}。请核对表位与接线。",
    "another meter answers ({address}) and not {asked}; check the position and its wiring",
)
ERROR_REPLY: Final = unreadable(
    "meter_read.error_reply",
    "电能表拒绝给出该项：{reason}（错误码 {error_code}）。",
    "the meter does not give this: {reason} (error code {error_code})",
)
UNSUPPORTED: Final = unreadable(
    "meter_read.unsupported",
    "电能表没有该项数据。",
    "the meter does not hold this",
)
BLANK: Final = unreadable(
    "meter_read.blank",
    "电能表中该项为空。",
    "the meter holds nothing there",
)
WRONG_LENGTH: Final = unreadable(
    "meter_read.wrong_length",
    "应答 {bytes} 字节，该项应为 {wanted} 字节。",
    "the answer has {bytes} bytes where this takes {wanted}",
)
NOT_DECIMAL: Final = unreadable(
    "meter_read.not_decimal",
    "应答不是十进制数字（{raw}）。",
    "the answer is no decimal number ({raw})",
)
NO_SUCH_TIME: Final = unreadable(
    "meter_read.no_such_time",
    "应答不是一个时刻（{raw}）。",
    "the answer is no time ({raw})",
)
GIVEN_UP: Final = unreadable(
    "meter_read.given_up",
    "电能表不再应答，读取终止。此前读到的已保留但不完整，请检查后重读。",
    "the meter has fallen silent and the reading ends; what was read before is kept but not whole: look at it and "
    "read again",
)
BAD_ADDRESS: Final = unreadable(
    "meter_read.bad_address",
    "通信地址须为至多 12 位数字，不是 {address}。",
    "a communication address is up to 12 digits, not {address}",
)
NOT_WHOLE: Final = against_rules(
    "meter_read.not_whole",
    "读取不完整，不能提交。请排除原因后重读。",
    "the reading is not whole and is not submitted; mend what stopped it and read again",
)
BEYOND_BOUNDS: Final = unreadable(
    "meter_read.beyond_bounds",
    "读到的{item}为 {value}，超出可记录的范围。请人工核对。",
    "what was read for {item} is {value}, beyond what can be recorded; check it by hand",
)
OTHER_UNIT: Final = against_rules(
    "meter_read.other_unit",
    "方案中{item}的单位是 {unit}，读数的单位是 {read}。请计量员核对方案。",
    "the scheme has {item} in {unit}, and it is read in {read}; have the metrologist look at the scheme",
)
NO_SUCH_ADDITION: Final = unreadable(
    "meter_read.no_such_addition",
    "{said} 不是“条目=数值或选项”。",
    "{said} is not item=value or item=choice",
)
READ_TWICE: Final = unreadable(
    "meter_read.read_twice",
    "条目 {item} 已从电能表读出，不能另行填写。",
    "item {item} was read off the meter and is not filled in by hand",
)

BENCH_MAPPING: Final = unreadable(
    "bench_file.mapping_invalid",
    "表头映射文件有误：{problem}。请对照默认映射改正。",
    "the mapping file is not right: {problem}; correct it after the default one",
)
BENCH_FORMAT: Final = unreadable(
    "bench_file.wrong_format",
    "检测台结果文件须为 CSV 或 XLSX，不是 {found}。请重新导出。",
    "the result file of a bench is CSV or XLSX and not {found}; export it again",
)
BENCH_NO_ITEMS: Final = unreadable(
    "bench_file.no_items",
    "第 {row} 行的表头没有任何测量项目。请核对表头，或在映射文件中写明各列的名称。",
    "the header in row {row} has no column of anything measured; check it, or name the columns in a mapping file",
)
BENCH_TOO_LONG: Final = unreadable(
    "bench_file.too_long",
    "文件超过 {limit} 行。请按台次拆分。",
    "the file has more than {limit} rows; split it by runs of the bench",
)
BENCH_MISSING: Final = unreadable("bench_file.cell_missing", "此项必填。", "this must be filled in")
BENCH_POSITION: Final = unreadable(
    "bench_file.position_wrong", "表位须为 1 至 9999 的整数。", "a position is a whole number from 1 to 9999"
)
BENCH_NUMBER_AS_NUMBER: Final = unreadable(
    "bench_file.asset_no_as_number",
    "资产编号被存为数值，后几位已丢失。请将该列设为“文本”后重新导出。",
    "the asset number is stored as a number and has lost its last digits; export the column as text",
)
BENCH_ASSET_NO: Final = unreadable(
    "bench_file.asset_no_wrong",
    "资产编号须为 22 位数字，或以 T 开头的临时标识。",
    "an asset number is 22 digits, or a temporary identity that begins with T",
)
BENCH_OTHER: Final = unreadable(
    "bench_file.other_bench",
    "该行来自检测台 {found}，不是 {bench}。请核对文件与 --bench。",
    "this row is from bench {found} and not {bench}; check the file and --bench",
)
BENCH_RESULT: Final = unreadable(
    "bench_file.result_unknown",
    "不是可识别的结论。可写：{words}。也可在映射文件中补充。",
    "this is no conclusion; possible are {words}, and a mapping file may add to them",
)
BENCH_NOT_A_NUMBER: Final = unreadable(
    "bench_file.not_a_number",
    "不是可识别的数值。请写成 -0.12 的样子，可带单位。",
    "this is not a number; write it like -0.12, with a unit if you like",
)
BENCH_UNIT: Final = unreadable(
    "bench_file.unit_wrong",
    "此项的单位不能是 {unit}。可用：{units}。",
    "{unit} is no unit of this; possible are {units}",
)
BENCH_TOO_PRECISE: Final = unreadable(
    "bench_file.too_precise",
    "小数位过多：该值不是 {unit} 的整数倍，登记时不作修约。请按检测台分辨力导出。",
    "too many decimals: the value is no whole number of {unit}, and nothing is rounded; export it in the bench's own "
    "resolution",
)
BENCH_NOTHING: Final = unreadable(
    "bench_file.nothing_measured",
    "该表位没有任何测得值。未检的表位请从文件中删去；无法检测的请在检测台上说明原因。",
    "nothing was measured at this position; take positions without a test out of the file, and report at the bench why "
    "a meter could not be tested",
)
BENCH_VALUES_DIFFER: Final = unreadable(
    "bench_file.values_differ",
    "列 {columns} 填的是同一项，数值却不同，无法判断以哪一列为准。请只保留正确的一列。",
    "columns {columns} fill the same thing with different values, and nobody can tell which is right; keep the right "
    "one",
)
BENCH_POSITION_TWICE: Final = unreadable(
    "bench_file.position_twice",
    "表位重复（另见第 {rows} 行），无法判断以哪一行为准。请只保留正确的一行。",
    "this position is there again in row {rows}, and nobody can tell which is right; keep the right one",
)
BENCH_METER_TWICE: Final = unreadable(
    "bench_file.meter_twice",
    "资产编号重复（另见第 {rows} 行），无法判断以哪一行为准。请只保留正确的一行。",
    "this meter is there again in row {rows}, and nobody can tell which row is right; keep the right one",
)

RESULTS_FORMAT: Final = unreadable(
    "result_file.wrong_format",
    "复检结果文件须为 CSV 或 XLSX，不是 {found}。",
    "a file of results is CSV or XLSX and not {found}",
)
RESULTS_TOO_MANY: Final = unreadable(
    "result_file.too_long",
    "文件超过 {limit} 行。请按复核拆分。",
    "the file has more than {limit} rows; split it by review",
)
RESULT_UNKNOWN: Final = unreadable(
    "result_file.result_unknown",
    "不是可识别的复检结果。可写：{words}。",
    "this is no result; possible are {words}",
)

"""Every way in which a meter fails to be read, each saying what to look at.

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

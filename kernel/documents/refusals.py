"""Why a document is not made."""

from kernel.door import CannotNow, Faulty, OutOfTime
from kernel.refusal import Reason, against_rules

FONT_MISSING = Reason(
    CannotNow,
    "document.font_missing",
    "缺少文档字体：{path}。请运行 make setup。",
    "the font for documents is not there: {path}; run make setup",
)
BUSY = Reason(
    CannotNow,
    "document.busy",
    "已有 {waiting} 份文档在等候生成，请稍后再试。",
    "{waiting} documents are waiting to be made already; try again shortly",
)
NOT_TYPESET = Reason(
    Faulty,
    "document.not_typeset",
    "文档排版失败：{cause}",
    "the document could not be typeset: {cause}",
)
TOO_SLOW = Reason(
    OutOfTime,
    "document.too_slow",
    "文档生成超过 {seconds} 秒，已中止。请分批生成；有 XLSX 格式的也可改用 XLSX。",
    "making the document took more than {seconds} s and was ended; ask for smaller parts, or for XLSX where there is "
    "one",
)
ENDED_EARLY = Reason(
    Faulty,
    "document.ended_early",
    "文档进程意外结束（状态 {status}），可能超出内存上限。请分批生成；有 XLSX 格式的也可改用 XLSX。",
    "the process that made the document ended with status {status}, possibly at its memory limit; "
    "ask for smaller parts, or for XLSX where there is one",
)
TOO_MANY_ROWS = against_rules(
    "document.too_many_rows",
    "PDF 最多 {most} 行，此处为 {rows} 行。请分批生成；有 XLSX 格式的也可改用 XLSX。",
    "a PDF has at most {most} rows, here are {rows}; ask for smaller parts, or for XLSX where there is one",
)
QR_TOO_LONG = against_rules(
    "document.qr_too_long",
    "二维码内容最多 {most} 字节，此处为 {length} 字节。",
    "a QR code holds at most {most} bytes here, not {length}",
)

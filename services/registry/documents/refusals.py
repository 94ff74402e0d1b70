"""Why a document of the registry is not made, beside what keeps any document from being made."""

from kernel.refusal import against_rules

TEXT_TOO_LONG = against_rules(
    "document.text_too_long",
    "单元格文本最多 {most} 个字符，此处为 {length} 个。",
    "a cell holds at most {most} characters, not {length}",
)
NO_SUCH_FORMAT = against_rules(
    "document.no_such_format",
    "该文档没有 {format} 格式。",
    "this document is not made as {format}",
)

"""The registry's papers: typed data in, the bytes of a PDF or XLSX out.

data.py             what each document shows
workshop.py         how a service asks for one: in a process of its own, with limits
rendering.py        the same in this process
transfer_note.py    拆回计量资产移交单
recovery_ledger.py  回收统计台账
asset_page.py       一表一档
typesetting.py      the only place that knows Typst; the templates lie beside it
font.py             the one font, and what it cannot show
spreadsheet.py      the only place that knows xlsxwriter
"""

"""The registry's papers: typed data in, the bytes of a PDF or XLSX out. What they share with other services' papers
is in kernel.documents.

data.py             what each document shows
workshop.py         how the registry asks for one
rendering.py        the same in this process
transfer_note.py    拆回计量资产移交单
recovery_ledger.py  回收统计台账
asset_page.py       一表一档
templates           how each looks, on the page of kernel/documents/templates
spreadsheet.py      the only place that knows xlsxwriter
"""

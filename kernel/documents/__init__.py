"""How any service prints: typed data in, the bytes of a PDF out. No business noun in it. It is here because the
registry hands out its papers and sorting its own, and one font, one page and one queue serve both.

data.py         words, moments, what a paper is checked by, boxes to be signed
workshop.py     how a service asks for a document: in a process of its own, with limits
making.py       that process
sheet.py        the parts that every page has
typesetting.py  the only place that knows Typst; what the templates share lies beside it
font.py         the one font, and what it cannot show
figures.py      how moments and asset numbers are written
"""

"""Sorting's papers: typed data in, the bytes of a PDF out, on the page of kernel.documents.

data.py         what each shows
workshop.py     how sorting asks for one
rendering.py    the same in this process
sample_list.py  复核样本清单
certificate.py  重新检定证书
templates       how each looks
"""

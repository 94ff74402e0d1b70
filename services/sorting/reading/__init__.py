"""What a bench brings in by itself: a meter read over DL/T 645-2007, and the files of a multi-position error bench.

faults.py       every way in which it fails, by name
frames.py       requests and answers as bytes, on the codec of the library dlt645
line.py         the way to a meter: TCP or a serial port
exchange.py     one question and its answer, with patience
identifiers.py  what can be asked of a meter, from identifiers.yaml, and what an answer means
reader.py       a meter read from its address to its events
forms.py        what was read, as the measurements of a step and as the check of identity, by forms.yaml
bench_mapping.py which header of a bench's file fills which item, by mappings/bench.yaml
bench_file.py   a bench's file as the accuracy step of each position
result_file.py  what the institute found of the samples of a review

It asks devices and waits for them, so it blocks, and no door of the service calls it: the command line does.
"""

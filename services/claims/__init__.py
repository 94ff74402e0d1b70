"""claims owns claims on makers, cases of laboratory and customers, the fault library, batch quality. Its place; not
built yet.

It decides    whether a defect is the maker's and inside its warranty, what was agreed for it, what a case found, and
              when faults add up to a batch problem or a batch hazard
Streams       claim-<id>, batch-<maker>-<batch>, labcase-<id>, compensation-<id>, fault_library
Public events a claim's settlement, a laboratory's result, a batch suspected, confirmed or cleared
It listens to sorting (a verdict of claim opens one), registry (burnt devices; what went to its maker and came back)
"""

"""tender owns the approval of disposal, lots, tenders, bids, contracts and settlement. Its place; not built yet.

It decides    what may be scrapped on whose approval, which devices make a lot, when a bid may be read and by whom
              together, what was sold to whom, and whether the weighed kilograms agree with it
Streams       disposal-<id>, lot-<id>, tender-<id>, bid-<id>, bidder-<id>, contract-<id>
Public events approvals, lots and tenders, openings, awards, and the certificate that closes a lot
It listens to sorting (verdicts of scrap; reviews concluded, for only these make lots), registry (what was handed to
              materials, cleared, defaced, handed to a recycler)
"""

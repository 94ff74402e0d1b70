"""sorting owns test schemes, inspections, verdicts, repair with re-verification, and reviews. Its place; not built yet.

It decides    what a device is worth by a decision table over its six findings, and who may overrule that; what a repair
              must show before a device is reinstalled; whether a sample the institute re-tested bears the verdicts out
Streams       scheme-<group>, inspection-<id>, repair-<id>, review-<id>
Public events VerdictReached, VerdictOverridden, RepairOrdered, ReVerified, ReVerificationFailed, and of a review
              PopulationCommitted, SampleDrawn, Concluded
It listens to registry (a device was received: open its inspection), claims (a batch problem bears on its siblings)
"""

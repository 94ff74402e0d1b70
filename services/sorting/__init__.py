"""sorting owns test schemes, inspections, verdicts, repair with re-verification, and reviews.

It decides    what a device is worth by a decision table over its six findings, and who may overrule that; what a repair
              must show before a device is reinstalled; whether a sample the institute re-tested bears the verdicts out
Streams       scheme-<group>, table-<name>, run-<id>, inspection-<asset_no>, repair-<asset_no>-<n>,
              certificate-<number>, review-<id>
Public events InspectionOpened, VerdictReached, VerdictOverridden, RepairOrdered, RepairReturned, ReVerified,
              ReVerificationFailed, RepairCancelled, and of a review PopulationCommitted, SampleDrawn, Concluded
It listens to registry (who a device is and where; that it left, or bears another number), claims (a batch problem
              bears on its siblings)
"""

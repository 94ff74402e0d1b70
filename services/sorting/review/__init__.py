"""复核 A review: the institute re-tests a random sample of verdicts; the rest is relied on, or sorted again.

    ReviewProposed -> devices join one by one -> NonceEntrusted -> PopulationCommitted -> SampleDrawn
    SampleDrawn -> SampleReplaced | ResultRecorded ... -> Concluded (accepted | resort)
    PopulationCommitted -> DrawFailed (the nonce was not revealed in time)
    before PopulationCommitted -> ReviewWithdrawn

From PopulationCommitted on the population is what its root says, and nobody chooses what is drawn of it: the supervisor
has given the SHA-256 of a nonce, the log publishes a checkpoint, and then the nonce is revealed (docs/formats.md). Its
members are frozen until the review has ended. Results are recorded blind: none of them says what the verdict was.

state.py       what the rules remember; criteria, strata
committing.py  proposed, a nonce entrusted, committed, withdrawn
drawing.py     drawn, or failed
results.py     results, spares, the conclusion
"""

from typing import Final

from kernel.decider import Decider
from services.sorting.review import committing, drawing, results
from services.sorting.review.state import Review

REVIEW: Final = Decider(
    category="review",
    initial=Review(),
    key="review",
    begins=(committing.ProposeReview, committing.ProposeReviewByPlan),
    parts=tuple(module.PART for module in (committing, drawing, results)),
)

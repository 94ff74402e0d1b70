"""三评: what a device's history, its indicators and its value come to. Pure: whatever is known comes in, and the
numbers that come out are in the log beside the sentences that explain them, so that anybody can work them out again.

history.py     age against life, installation, what was recorded before, the load curve
indicators.py  the faults found, against those of the same maker and batch
value.py       what reuse, claim and scrap bring and save
sentences.py   the words
"""

from services.sorting.assessment.history import HistoryFindings, Known, LoadFindings, assess_history, load_said
from services.sorting.assessment.indicators import (
    IndicatorFindings,
    Population,
    Shown,
    assess_indicators,
    least_explained,
)
from services.sorting.assessment.sentences import SENTENCES, Number, Sentence, say
from services.sorting.assessment.value import ValueFindings, assess_value

__all__ = (
    "SENTENCES",
    "HistoryFindings",
    "IndicatorFindings",
    "Known",
    "LoadFindings",
    "Number",
    "Population",
    "Sentence",
    "Shown",
    "ValueFindings",
    "assess_history",
    "assess_indicators",
    "assess_value",
    "least_explained",
    "load_said",
    "say",
)

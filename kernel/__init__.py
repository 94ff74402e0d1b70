"""How any service stands on the ledger. It knows no business noun.

The nouns reach only these three: decider (what a rule is), quantity (bounded values with units), refusal (no, and why).
"""

"""What can be wrong with a proof.

ProofFault
|-- Malformed       the bytes are not in the form their specification gives; nothing was concluded from them
|-- OutOfRange      an index, size or level that the tree in question does not have
|-- Mismatch        well formed, and the hashes say otherwise
'-- Untrusted       well formed, and nobody who is trusted stands for it
    |-- BadSignature    a known key is named and did not sign this
    |-- UnknownSigner   no signature of a known key
    '-- NoQuorum        too few of the policy's witnesses signed
"""


class ProofFault(Exception):
    """A proof does not hold. The message says of what, and why."""


class Malformed(ProofFault):
    """The bytes are not in the form their specification gives."""


class OutOfRange(ProofFault):
    """An index, size or level that the tree in question does not have."""


class Missing(ProofFault):
    """A file that the tree's size says must be there is not."""


class Mismatch(ProofFault):
    """The hashes say otherwise."""


class Untrusted(ProofFault):
    """Nobody who is trusted stands for it."""


class BadSignature(Untrusted):
    """A known key is named and did not sign this."""


class UnknownSigner(Untrusted):
    """No signature of a known key."""


class NoQuorum(Untrusted):
    """Too few of the policy's witnesses signed."""

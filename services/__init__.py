"""The five services. None imports another; they know each other's public events through proto only."""

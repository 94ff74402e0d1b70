"""What the proof log costs: to write it, and to check it."""

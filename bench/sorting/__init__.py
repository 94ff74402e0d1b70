"""What sorting does in a second, and how long it takes to derive a sample again."""

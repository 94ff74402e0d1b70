"""The platform measured from outside. See __main__."""

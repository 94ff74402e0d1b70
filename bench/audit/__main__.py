"""`python -m bench.audit`; see `measuring`."""

if __name__ == "__main__":
    # Here alone: the processes of an audit read this file again when they start, and need none of it.
    from bench.audit.measuring import main

    main()

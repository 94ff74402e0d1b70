"""`meterloop ledger`: what keeps the proof of the log, and what checks it from within."""

import typer

ledger_app = typer.Typer(
    name="ledger",
    help="存证日志：定序、披露、核验、换钥 / the proof log: sequence, disclose, check, change its key",
    no_args_is_help=True,
    add_completion=False,
)


@ledger_app.command("sequence")
def sequence() -> None:
    """把台账写成存证日志，直到停止；`meterloop up` 已包含 Write the ledger's proof log until stopped; `meterloop up`
    does it already.
    """
    from cli.sequencing import main  # noqa: PLC0415  a whole service, which the other commands do without

    raise typer.Exit(main())


@ledger_app.command("disclose")
def disclose() -> None:
    """按透明度清单披露已公布的事件，直到停止；`meterloop up` 已包含 Disclose what is published, as the disclosure file
    says, until stopped; `meterloop up` does it already.
    """
    from cli.disclosing import main  # noqa: PLC0415  as above

    raise typer.Exit(main())


@ledger_app.callback()
def ledger() -> None:
    """存证日志：定序、披露、核验、换钥 The proof log: sequence, disclose, check, change its key."""

"""What the reference is made from must be found, and each thing once, where it is declared."""

from cli.inventory import deciders, instruments, modules, reasons, types


def test_every_module_but_generated_and_running_ones():
    names = {module.__name__ for module in modules()}
    assert {"kernel.handling", "services.registry.meter.custody", "cli.inventory", "ledger.port"} <= names
    assert [name for name in names if name.startswith("kernel.wire") or name.endswith("__main__")] == []


def test_deciders_by_service_and_category():
    categories = ["container", "meter", "plan", "shipment", "site", "stocktake"]
    assert [noun.category for noun in deciders()["registry"]] == categories


def test_a_refusal_that_many_import_belongs_to_one():
    """meter.unknown is imported by most of the meter's modules and declared with its state."""
    assert [one.module for one in reasons() if one.reason.code == "meter.unknown"] == ["services.registry.meter.state"]


def test_a_list_of_codes_comes_with_its_words():
    (holds,) = [one for one in types() if one.name == "HoldKind"]
    assert holds.words is not None
    assert holds.words["court"] == ("司法保全", "court order")
    (site,) = [one for one in types() if one.name == "CountyCode"]
    assert site.words is None


def test_metrics_with_unit_and_meaning():
    (duration,) = [one for one in instruments() if one.name == "http.server.request.duration"]
    assert (duration.kind, duration.unit, duration.module) == ("histogram", "s", "kernel.http_operations")
    assert duration.description

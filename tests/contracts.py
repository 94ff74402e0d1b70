"""A kind of contract for import-linter that says what may be reached rather than what may not."""

import sys
from collections.abc import Iterable

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class ReachesOnly(Contract):
    """The sources reach, even through others, only themselves, the allowed modules and the standard library."""

    type_name = "reaches_only"

    source_modules = fields.ListField(subfield=fields.ModuleField())
    allowed_modules = fields.ListField(subfield=fields.ModuleField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002, FBT001  import-linter's signature
        sources = [module.name for module in self.source_modules]
        allowed = [*sources, *(module.name for module in self.allowed_modules), *sys.stdlib_module_names]
        chains = [
            graph.find_shortest_chain(source, reached, as_packages=True)
            for source in sources
            for reached in sorted(graph.find_upstream_modules(source, as_package=True))
            if not _is_within(reached, allowed)
        ]
        return ContractCheck(kept=not chains, metadata={"chains": chains})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for chain in check.metadata["chains"]:
            output.print_error(" -> ".join(chain))


def _is_within(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)

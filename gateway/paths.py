"""Which path leads to which method of which service."""

from collections.abc import Iterator
from typing import Final

import msgspec
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor

from kernel.commands import RESERVED_KEY, kebab
from kernel.wire.registry.v1 import registry_pb2
from kernel.wire.sorting.v1 import sorting_pb2

OUTCOME: Final = "Outcome"
DESCRIBE: Final = "Describe"
ELSEWHERE: Final = frozenset(
    {
        DESCRIBE,
        "GiveMany",
        "CreateImport",
        "AppendImport",
        "GetImport",
        "ListImports",
        "CancelImport",
        "GetImportErrors",
        "ReportRun",
    }
)
"""Methods that are neither commands nor questions: see openapi.py, relay.py and uploads.py. Lines report at the door of
sorting itself.
"""


class Command(msgspec.Struct, frozen=True):
    """`POST /v1/<plural>/{key}/<name>`. `key` is the field of the request that names the stream; `shown_at` the path
    where what it is about is shown, if there is one.
    """

    service: str
    method: MethodDescriptor
    plural: str
    key: str
    shown_at: str | None

    @property
    def path(self) -> str:
        return f"/v1/{self.plural}/{{{self.key}}}/{kebab(self.method.name)}"

    @property
    def bulk_path(self) -> str:
        return f"/v1/{self.plural}/{RESERVED_KEY}/{kebab(self.method.name)}"


class Question(msgspec.Struct, frozen=True):
    """`GET` on a path; its parameters are fields of the request. `public`: it may be asked without a token."""

    service: str
    method: MethodDescriptor
    path: str
    public: bool = False

    @property
    def is_file(self) -> bool:
        """Whether the answer is a file, in parts."""
        return self.method.server_streaming


class Service(msgspec.Struct, frozen=True):
    """A service behind the gateway: its name in both languages, its proto, the plural of each key of its streams, the
    path of each question, and which question shows what a key names.
    """

    name: str
    zh: str
    file: FileDescriptor
    plurals: dict[str, str]
    questions: dict[str, str]
    shown_by: dict[str, str]
    public: frozenset[str] = frozenset()

    def commands(self) -> Iterator[Command]:
        """Every method that answers with an outcome. The key is the first field that names a stream."""
        for method in self._methods():
            if method.output_type.name == OUTCOME:
                key = next(field.name for field in method.input_type.fields if field.name in self.plurals)
                shown_at = self.questions[self.shown_by[key]] if key in self.shown_by else None
                yield Command(self.name, method, self.plurals[key], key, shown_at)

    def asked(self) -> Iterator[Question]:
        """Every other method. KeyError where one has no path."""
        for method in self._methods():
            if method.output_type.name != OUTCOME and method.name not in ELSEWHERE:
                yield Question(self.name, method, self.questions[method.name], method.name in self.public)

    @property
    def describe(self) -> MethodDescriptor:
        """The method that tells the service's OpenAPI document."""
        return next(method for method in self._methods() if method.name == DESCRIBE)

    def _methods(self) -> Iterator[MethodDescriptor]:
        for service in self.file.services_by_name.values():
            yield from service.methods


REGISTRY: Final = Service(
    name="registry",
    zh="登记服务",
    file=registry_pb2.DESCRIPTOR,
    plurals={
        "asset_no": "meters",
        "shipment_id": "shipments",
        "container_id": "containers",
        "site_id": "sites",
        "plan_id": "plans",
    },
    questions={
        "GetDevice": "/v1/meters/{asset_no}/card",
        "GetLife": "/v1/meters/{asset_no}/life",
        "ListDevices": "/v1/meters",
        "ListBalances": "/v1/balances",
        "ListRecovery": "/v1/recovery",
        "ListOwed": "/v1/recovery/owed",
        "ListBurnt": "/v1/burnt",
        "ListHoldsDue": "/v1/holds/due",
        "ListAlarms": "/v1/alarms",
        "ListCustodyGaps": "/v1/custody-gaps",
        "ListDuplicates": "/v1/duplicates",
        "ListSites": "/v1/sites",
        "ListStocktakes": "/v1/sites/{site_id}/stocktakes",
        "ListShipments": "/v1/shipments",
        "GetShipment": "/v1/shipments/{shipment_id}",
        "ListContainers": "/v1/containers",
        "GetContainer": "/v1/containers/{container_id}",
        "ListPlans": "/v1/plans",
        "GetTransferNote": "/v1/shipments/{shipment_id}/transfer-note",
        "GetRecoveryLedger": "/v1/recovery/ledger",
        "GetAssetPage": "/v1/meters/{asset_no}/page",
        "GetProofs": "/v1/meters/{asset_no}/proofs",
    },
    shown_by={"asset_no": "GetDevice", "shipment_id": "GetShipment"},
    public=frozenset({"ListBurnt"}),
)
SORTING: Final = Service(
    name="sorting",
    zh="分拣服务",
    file=sorting_pb2.DESCRIPTOR,
    plurals={
        "asset_no": "inspections",
        "repair": "repairs",
        "group": "schemes",
        "name": "tables",
        "run_id": "runs",
        "review": "reviews",
    },
    questions={
        "GetInspection": "/v1/inspections/{asset_no}",
        "GetSortingLife": "/v1/inspections/{asset_no}/life",
        "GetForm": "/v1/inspections/{asset_no}/form",
        "ListQueues": "/v1/stations/queues",
        "ListThroughput": "/v1/stations/throughput",
        "ListYield": "/v1/stations/yield",
        "ListAgreement": "/v1/stations/agreement",
        "ListInspectorAgreement": "/v1/stations/inspectors",
        "ListBacklog": "/v1/stations/backlog",
        "ListInspections": "/v1/inspections",
        "GetRepair": "/v1/repairs/{repair}",
        "ListRepairs": "/v1/repairs",
        "GetVerdict": "/v1/inspections/{asset_no}/verdict",
        "ListSchemes": "/v1/schemes",
        "GetScheme": "/v1/schemes/{group}",
        "GetTable": "/v1/tables/{name}",
        "GetReview": "/v1/reviews/{review}",
        "ListReviews": "/v1/reviews",
        "ListSamples": "/v1/reviews/{review}/samples",
        "GetSampleList": "/v1/reviews/{review}/sheet",
        "GetCertificate": "/v1/certificates/{certificate}",
    },
    shown_by={
        "asset_no": "GetInspection",
        "repair": "GetRepair",
        "review": "GetReview",
        "group": "GetScheme",
        "name": "GetTable",
    },
    public=frozenset({"GetScheme", "GetTable"}),
)
SERVICES: Final = (REGISTRY, SORTING)

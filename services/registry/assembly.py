"""The registry put together: its log, its views, its policies, its two doors."""

from pathlib import Path
from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from kernel.authority import Policies
from kernel.codec import Reader
from kernel.database import Database, DatabaseUnavailable
from kernel.disclosure import DisclosureFile
from kernel.grpc_server import RpcDoor
from kernel.http_limits import HttpLimits
from kernel.http_page import Cursors
from kernel.http_server import HttpDoor
from kernel.identity_provider import open_verifier
from kernel.keys import read_cursor_key
from kernel.people import People
from kernel.policy_runner import Policies as PolicyRunner
from kernel.process import Parts, Process
from kernel.projection import Projector
from kernel.readiness import Health
from kernel.settings import Settings
from ledger.open import open_ledger
from ledger.port import Ledger, Unavailable
from ledger.transparency.evidence import EvidenceOfLog
from services.registry.access import Access
from services.registry.app import CODEC, SERVICE, STREAMS, Registry
from services.registry.asset_number import CHECK_DIGIT, CheckDigit
from services.registry.disclosed import disclosed
from services.registry.foreign import FOLLOWED, READERS
from services.registry.imports.jobs import Jobs
from services.registry.imports.offered import LocalUploads, import_methods
from services.registry.imports.running import Runner
from services.registry.imports.spool import DEFAULT, SpoolLimits
from services.registry.papers.offered import Papers
from services.registry.policies import POLICIES
from services.registry.proofs import Proofs
from services.registry.questions import Questions
from services.registry.records import Records
from services.registry.rest import open_people, open_rest
from services.registry.retention import RETENTION_ENDS, load
from services.registry.rpc import open_rpc
from services.registry.views import VIEWS

VERSION: Final = "1"
Bytes: TypeAlias = Annotated[int, Meta(ge=0, le=1 << 62)]
DESCRIPTION: Final = "器具的身份、保管与结存。 / Identity, custody and balance of every metering device."


class RegistrySettings(Settings, frozen=True, kw_only=True):
    """What the registry has beside what every service has."""

    retention: Annotated[
        Path | None,
        Meta(
            description="留存期规则文件；没有则拆回后不自动留存"
            " / YAML file of rules for how long what is dismantled is retained; without it nothing is"
        ),
    ] = None
    disclosure: DisclosureFile = None
    check_digit: Annotated[
        CheckDigit,
        Meta(
            description="新编号的校验位不符时：warn 提示，refuse 拒收，ignore 不检查；导入只可从严"
            " / a new number with a wrong check digit: warn, refuse or ignore; an import may be stricter, not laxer"
        ),
    ] = CHECK_DIGIT
    spool_bytes_max: Annotated[
        Bytes,
        Meta(
            description="所有未结束的上传合计可占的字节数 / bytes that all uploads may hold together that are not over"
        ),
    ] = DEFAULT.bytes_max
    spool_bytes_max_each: Annotated[
        Bytes,
        Meta(
            description="每位用户未结束的导入可申报的字节数"
            " / bytes that the imports of one caller may announce which are not over"
        ),
    ] = DEFAULT.bytes_max_each
    spool_free_bytes_min: Annotated[
        Bytes,
        Meta(description="上传须为磁盘留出的字节数 / bytes that uploads leave free on the disk"),
    ] = DEFAULT.free_bytes_min

    @property
    def spool(self) -> SpoolLimits:
        """What uploads may hold."""
        return SpoolLimits(
            bytes_max=self.spool_bytes_max,
            bytes_max_each=self.spool_bytes_max_each,
            free_bytes_min=self.spool_free_bytes_min,
        )


async def assemble(process: Process) -> Parts:
    """Open everything the registry needs. What is not there yet is waited for."""
    settings: RegistrySettings = process.settings
    ledger = await process.wait_for("ledger", lambda: open_ledger(settings.ledger), Unavailable)
    database = Database(settings.database(SERVICE), SERVICE)
    projector = Projector(database, ledger, Reader(CODEC), VIEWS, streams=STREAMS)
    await process.wait_for("database", projector.open, DatabaseUnavailable)
    registry = Registry(ledger, projector, check_digit=settings.check_digit)
    policies = _policies(settings, database, ledger, registry)
    await process.wait_for("database", policies.open, DatabaseUnavailable)
    access = Access(Policies.load(Path(__file__).parent), registry, disclosed(settings.disclosure))
    commands = access.offered()
    people = People(database, SERVICE)
    await process.wait_for("database", people.open, DatabaseUnavailable)
    questions = [
        *Questions(registry, access).table(),
        *Papers(registry, access, people=people).table(),
        *Proofs(registry, access, EvidenceOfLog(ledger, settings.proof)).table(),
    ]
    verifier, cursors = open_verifier(settings), Cursors(read_cursor_key(settings.keys_dir))
    rest = HttpDoor(
        title=SERVICE,
        version=VERSION,
        description=DESCRIPTION,
        verifier=verifier,
        cursors=cursors,
        limits=HttpLimits(request_s_max=settings.request_s_max),
    )
    jobs = Jobs(database, settings.data_dir / "spool", limits=settings.spool)
    await process.wait_for("database", lambda: database.create(Records.metadata), DatabaseUnavailable)
    uploads = LocalUploads(jobs, access, cursors)
    open_rest(rest, commands, questions, uploads)
    open_people(rest, people, access)
    rest.operations(process.readiness, process.telemetry)
    rpc = RpcDoor(
        verifier=verifier,
        cursors=cursors,
        readiness=process.readiness,
        request_s_max=settings.request_s_max,
        reflect=settings.reflection,
    )
    open_rpc(rpc, commands, [*questions, *import_methods(uploads)], rest.app)
    runner = Runner(jobs, registry, access, busy=lambda: rpc.under_way > 0)

    async def ledger_answers() -> Health:
        return Health(ok=True, detail=f"head {await ledger.head()}")

    process.readiness.add("ledger", ledger_answers)
    process.readiness.add("views", projector.health)
    process.readiness.add("policies", policies.health)
    return Parts(
        rest=rest.app,
        rpc=rpc,
        followers={"views": projector.run, "policies": policies.run, "imports": runner.run},
        closing=[database.close, ledger.close],
    )


def _policies(settings: RegistrySettings, database: Database, ledger: Ledger, registry: Registry) -> PolicyRunner:
    return PolicyRunner(
        database,
        ledger,
        Reader(CODEC, READERS),
        registry.follow,
        policies=[*POLICIES, *load(settings.retention).policies()],
        clock_policies=[RETENTION_ENDS],
        read=registry.ask,
        on_refused=registry.refused,
        streams=(*STREAMS, *FOLLOWED),
    )

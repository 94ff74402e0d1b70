"""Sorting put together: its log, its views, its policies, its two doors."""

from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from kernel.authority import Policies
from kernel.codec import Reader
from kernel.database import Database, DatabaseUnavailable
from kernel.disclosure import DisclosureFile, load
from kernel.grpc_server import RpcDoor
from kernel.http_limits import HttpLimits
from kernel.http_page import Cursors
from kernel.http_server import HttpDoor
from kernel.identity_provider import open_verifier
from kernel.keys import read_cursor_key
from kernel.policy_runner import Policies as PolicyRunner
from kernel.process import Parts, Process
from kernel.projection import Projector
from kernel.readiness import Health
from kernel.settings import Settings
from ledger.open import open_ledger
from ledger.port import Ledger, Unavailable
from ledger.transparency.evidence import EvidenceOfLog
from services.sorting.access import Access
from services.sorting.app import CERTIFICATE_FORM, CODEC, FOLLOWED, SERVICE, STREAMS, Sorting
from services.sorting.drawing import load_plans
from services.sorting.foreign import DEPARTURES, READERS
from services.sorting.papers.offered import Papers
from services.sorting.policies import POLICIES
from services.sorting.questions import Questions
from services.sorting.reporting import Reporting
from services.sorting.rest import open_rest
from services.sorting.reviewing import REVIEWS_GO_ON
from services.sorting.rpc import open_rpc
from services.sorting.views import VIEWS

VERSION: Final = "1"
DESCRIPTION: Final = (
    "分拣检测：三检三评、结论与复核。 / Sorting: three inspections, three assessments, verdicts and reviews."
)


class SortingSettings(Settings, frozen=True, kw_only=True):
    """What sorting has beside what every service has."""

    production: Annotated[
        bool,
        Meta(
            description="生产模式：方案尚有限值待计量员确认时拒绝使用"
            " / production mode: a scheme with a limit that the metrologist is still to confirm is refused"
        ),
    ] = False
    disclosure: DisclosureFile = None
    certificate_form: Annotated[
        str,
        Meta(
            max_length=200,
            description="检定证书编号的格式（正则表达式，整体匹配）"
            " / the form of certificate numbers, a regular expression that they match as a whole",
        ),
    ] = CERTIFICATE_FORM
    sampling: Annotated[
        Path | None,
        Meta(
            description="抽样方案文件，默认为随程序所附的 GB/T 2828.2 摘录"
            " / YAML file of sampling plans; by default the excerpt of GB/T 2828.2 that comes along"
        ),
    ] = None


async def assemble(process: Process) -> Parts:
    """Open everything that sorting needs. What is not there yet is waited for."""
    settings: SortingSettings = process.settings
    ledger = await process.wait_for("ledger", lambda: open_ledger(settings.ledger), Unavailable)
    database = Database(settings.database(SERVICE), SERVICE)
    projector = Projector(database, ledger, Reader(CODEC, READERS), VIEWS, streams=STREAMS)
    await process.wait_for("database", projector.open, DatabaseUnavailable)
    sorting = Sorting(
        ledger,
        projector,
        production=settings.production,
        certificate_form=settings.certificate_form,
        plans=load_plans(settings.sampling),
        checkpoints=EvidenceOfLog(ledger, settings.proof),
    )
    policies = _policies(database, ledger, sorting)
    await process.wait_for("database", policies.open, DatabaseUnavailable)
    labels = load(settings.disclosure) if settings.disclosure else None
    access = Access(Policies.load(Path(__file__).parent), sorting, labels)
    commands = access.offered()
    questions = (*Questions(sorting, access).table(), *Papers(sorting, access).table())
    verifier, cursors = open_verifier(settings), Cursors(read_cursor_key(settings.keys_dir))
    rest = HttpDoor(
        title=SERVICE,
        version=VERSION,
        description=DESCRIPTION,
        verifier=verifier,
        cursors=cursors,
        limits=HttpLimits(request_s_max=settings.request_s_max),
    )
    open_rest(rest, commands, questions)
    rest.operations(process.readiness, process.telemetry)
    rpc = RpcDoor(
        verifier=verifier,
        cursors=cursors,
        readiness=process.readiness,
        request_s_max=settings.request_s_max,
        reflect=settings.reflection,
    )
    open_rpc(rpc, commands, questions, Reporting(sorting, access).reports(), rest.app)

    async def ledger_answers() -> Health:
        return Health(ok=True, detail=f"head {await ledger.head()}")

    process.readiness.add("ledger", ledger_answers)
    process.readiness.add("views", projector.health)
    process.readiness.add("policies", policies.health)
    return Parts(
        rest=rest.app,
        rpc=rpc,
        followers={"views": projector.run, "policies": policies.run},
        closing=[database.close, ledger.close],
    )


def _policies(database: Database, ledger: Ledger, sorting: Sorting) -> PolicyRunner:
    return PolicyRunner(
        database,
        ledger,
        Reader(CODEC, DEPARTURES),
        sorting.do_many,
        policies=POLICIES,
        clock_policies=[REVIEWS_GO_ON],
        read=sorting.ask,
        streams=FOLLOWED,
    )

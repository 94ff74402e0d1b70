"""Why an audit could not read what it was to read: a code, what that is, and what to do next, in both languages."""

from enum import StrEnum
from typing import Final

from auditor.finding import Named


class Trouble(StrEnum):
    """The codes. None of them says anything of the log."""

    UNREACHABLE = "audit.unreachable"
    BAD_URL = "audit.bad_url"
    TOKEN_REFUSED = "audit.token_refused"  # noqa: S105  a code, no secret
    NO_LOG = "audit.no_log"
    NOTHING_PUBLISHED = "audit.nothing_published"
    NO_POLICY = "audit.no_policy"
    BAD_POLICY = "audit.bad_policy"
    ANSWER = "audit.answer_malformed"
    FILE = "audit.file_unreadable"
    STATE = "audit.state_unusable"
    STATE_IN_USE = "audit.state_in_use"
    STATE_DAMAGED = "audit.state_damaged"
    NOT_WHOLE = "audit.supervisor_set_withheld"
    NO_EVIDENCE = "audit.no_evidence"
    PROGRAM = "audit.program_failed"


TROUBLES: Final[dict[Trouble, Named]] = {
    Trouble.UNREACHABLE: Named(
        "无法连接",
        "it cannot be reached",
        "请确认地址与网络，再次执行同一命令；给了 --state 时从中断处继续。",
        "check the address and the network, then the same command again; with --state it goes on where it was",
    ),
    Trouble.BAD_URL: Named(
        "地址有误",
        "the address is none",
        "请给出平台的完整地址，如 https://metering.example，或存证目录的路径。",
        "give the platform's whole address, such as https://metering.example, or the path of a proof folder",
    ),
    Trouble.TOKEN_REFUSED: Named(
        "令牌无效或已过期",
        "the token is wrong or has expired",
        "请重新取得令牌再执行；或去掉 --token 与 METERLOOP_CLI__TOKEN，只审计公开集。",
        "get a new token and try again, or leave out --token and its variable and audit the public set alone",
    ),
    Trouble.NO_LOG: Named(
        "此处没有存证日志",
        "there is no proof log",
        "目录应是平台数据目录下的 proof 或其副本（其中有 log/checkpoint）；地址应是平台的网关。",
        "a folder is to be a platform's `proof` or a copy of it, with log/checkpoint in it; a URL its gateway",
    ),
    Trouble.NOTHING_PUBLISHED: Named(
        "日志尚未发布任何检查点",
        "the log has published no checkpoint yet",
        "请稍后再试；若一直如此，请询问运行方排序器是否在运行、见证方是否齐全。",
        "try again in a while; if it stays so, ask the operator whether the sequencer and its witnesses are there",
    ),
    Trouble.NO_POLICY: Named(
        "没有信任策略",
        "there is no policy",
        "请用 --policy 给出取自别处的信任策略文件。",
        "give a policy that comes from somewhere else, with --policy",
    ),
    Trouble.BAD_POLICY: Named(
        "信任策略无法读取",
        "the policy cannot be read",
        "策略须为 tlog-policy 格式（见 docs/formats.zh-CN.md），请改正所指的行。",
        "a policy is a tlog-policy file (docs/formats.md); mend the line that is named",
    ),
    Trouble.ANSWER: Named(
        "所答不是本平台的格式",
        "an answer is not of the form that this platform gives",
        "请核对地址与两边的版本；确是本平台时，请向运行方询问。",
        "check the address and the versions of both sides; where it is this platform, ask its operator",
    ),
    Trouble.FILE: Named(
        "文件无法读取",
        "a file cannot be read",
        "请确认读取权限与磁盘，或稍后再次执行同一命令。",
        "check permissions and the disk, or try the same command again in a while",
    ),
    Trouble.STATE: Named(
        "--state 目录无法使用",
        "the folder of --state cannot be used",
        "请换一个可写且有空间的目录。",
        "name a folder that can be written to and has room",
    ),
    Trouble.STATE_IN_USE: Named(
        "--state 目录正被另一次审计使用",
        "another audit is at work with the folder of --state",
        "请等它结束，或为本次审计另选目录。",
        "wait until it has ended, or name another folder",
    ),
    Trouble.STATE_DAMAGED: Named(
        "--state 目录中的记录已损坏",
        "what the folder of --state remembers is damaged",
        "请从备份恢复该文件；若没有，请换一个目录：在此之前的回退将无从发现。",
        "put the file back from a backup, or else name another folder: a rollback from before is then not found",
    ),
    Trouble.NOT_WHOLE: Named(
        "监管集未能取得",
        "the supervisors' set cannot be had",
        "令牌须有监管角色，副本须有 supervisor/；有权限而仍取不到，请询问运行方。只审计公开集则不给令牌。",
        "the token needs a supervisor's role (regulator, auditor), a copy its supervisor/; who has the "
        "right and is refused asks the operator. Without a token the public set alone is audited",
    ),
    Trouble.NO_EVIDENCE: Named(
        "器具存证文件无法读取",
        "the device's evidence cannot be read",
        "请重新从平台取得该 ZIP 文件。",
        "fetch the ZIP file from the platform again",
    ),
    Trouble.PROGRAM: Named(
        "审计程序自身出错",
        "the auditing program itself failed",
        "请将上面的错误记录与所审计文件的副本一并报告给程序的维护者。",
        "report the error above, with a copy of the files that were audited, to the program's maintainers",
    ),
}

"""The 22-digit asset number 资产编号 of a metering device, and what may be read from it without asking anybody.

    9 9 4 0 1   0 1   0 0 0 0 0 0 0 0 0 0 0 0 0 1   3
    unit (5)    type  serial (14)                   check

Q/GDW 1205-2013 as publicly described: digits 1 and 2 name the managing unit, the third its class (0 customer, 1
headquarters, 2 branch, 3 provincial company, 4 directly owned), then the type and the serial number. The public text
of the rule for the last digit is cut off. GS1 mod 10 (weights 3, 1 from the right over the first 21 digits) agrees
with the two printed numbers that are known, a chance of 1 in 100 by accident (待确认 / to be confirmed): therefore a
wrong last digit is a question of policy, told apart here from a number that is not one at all.
"""

from typing import Final, Literal, TypeAlias

from kernel.refusal import Refusal, unreadable

CheckDigit: TypeAlias = Literal["warn", "refuse", "ignore"]
"""What is done about a wrong one: it is said and passes, it does not pass, nobody looks."""
CHECK_DIGIT: Final[CheckDigit] = "warn"
"""Where nobody says otherwise."""
_STRICTER: Final[tuple[CheckDigit, ...]] = ("ignore", "warn", "refuse")

LENGTH: Final = 22

NOT_22_DIGITS = unreadable(
    "asset_number.not_22_digits",
    "资产编号须为 22 位数字，此处为 {length} 个字符。",
    "an asset number has 22 digits; this has {length} characters",
)
WRONG_CHECK_DIGIT = unreadable(
    "asset_number.wrong_check_digit",
    "资产编号 {asset_no} 的校验位应为 {right}，实为 {found}。请核对条形码。",
    "the last digit of the asset number {asset_no} should be {right}, not {found}; compare it with the bar code",
)

_CUSTOMER_OWNED: Final = "0"
_TEMPORARY: Final = "T"


def compose(unit: str, type_code: str, serial: str) -> str:
    """The number with its check digit. Refuses parts that do not make 21 digits."""
    first = unit + type_code + serial
    if not is_well_formed(number := first + "0"):
        raise NOT_22_DIGITS(length=len(number))
    return first + check_digit(first)


def is_well_formed(text: str) -> bool:
    return len(text) == LENGTH and text.isascii() and text.isdigit()


def check_digit(first: str) -> str:
    """The 22nd digit that belongs to the first 21."""
    digits = first.encode("ascii")
    # Digits are 48 above their value in ASCII: eleven of weight 3 and ten of weight 1 make 48 x 43 too much.
    weighted = 3 * sum(digits[0::2]) + sum(digits[1::2]) - 48 * 43
    return str(-weighted % 10)


def wrong_check_digit(number: str) -> Refusal | None:
    """What there is to say where a number's last digit is not the one that belongs to it. Expects a well-formed number
    or a temporary identity, which has no such digit.
    """
    if number[0] == _TEMPORARY:
        return None
    digits = number.encode("ascii")
    # The last digit is of weight 1, and what it belongs to makes a multiple of ten with it.
    if (3 * sum(digits[0::2]) + sum(digits[1::2]) - 48 * 44) % 10 == 0:
        return None
    return WRONG_CHECK_DIGIT(asset_no=number, right=check_digit(number[:-1]), found=number[-1])


def strictest(*said: CheckDigit | None) -> CheckDigit | None:
    """What holds where several say what is to be done, so that nobody relaxes it. None where nobody says anything."""
    return max((one for one in said if one is not None), key=_STRICTER.index, default=None)


def unit_of(number: str) -> str:
    """The managing unit: the first five digits. Every row carries it."""
    return number[:5]


def is_customer_owned(number: str) -> bool:
    """用户资产: the third digit is 0. Expects a well-formed number."""
    return number[2] == _CUSTOMER_OWNED

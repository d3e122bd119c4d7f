"""How our pages and charts write numbers and words. Imports nothing, so that charts need no template engine."""


def number(value: float | None, digits: int = 3) -> str:
    """Fixed digits, thousands apart; a dash for None."""
    if value is None:
        return "\N{EN DASH}"
    text = f"{value:,.{digits}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")  # no minus before nothing
    return text.replace("-", "\N{MINUS SIGN}")


def percent(value: float | None, digits: int = 1) -> str:
    if value is None:
        return "\N{EN DASH}"
    return f"{number(100 * value, digits)}\N{NARROW NO-BREAK SPACE}%"


def p_value(value: float | None) -> str:
    if value is None:
        return "\N{EN DASH}"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def ratio(value: float) -> str:
    """A ratio from 0 to infinity."""
    return "\N{INFINITY}" if value == float("inf") else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def n_of(n: int, one: str, several: str) -> str:
    """`1 woman`, `1,200 women`."""
    return f"{n:,} {one if n == 1 else several}"


def words(text: str | None) -> str:
    """A value of a closed set as people write it."""
    if text is None:
        return "not known"
    return text.replace("screen_detected", "screen-detected").replace("_", " ")


def typeset(text: str) -> str:
    """Typographic apostrophes."""
    return text.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")

"""How the isolation matrices are run and shown: each row is one thing that a client can
ask for, tried on the tenant's own resource and on the neighbour's."""

OK, REFUSED = "works", "refused"


class Matrix:
    """Collects what happened; printed at the end of its module."""

    def __init__(self, title):
        self.title = title
        self.rows = []

    def add(self, name, own, foreign):
        self.rows.append((name, own, foreign))

    def __str__(self):
        width = max((len(name) for name, _, _ in self.rows), default=0)
        lines = [f"\n{self.title}: {len(self.rows)} rows",
                 f"  {'operation':<{width}}  own        neighbour's"]
        for name, own, foreign in self.rows:
            lines.append(f"  {name:<{width}}  {own:<9}  {foreign}")
        return "\n".join(lines)


def attempt(call, refusals):
    """OK or REFUSED with the reason; any other exception is the test's failure."""
    try:
        call()
    except refusals as error:
        return REFUSED, error
    return OK, None

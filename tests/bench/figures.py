"""What every benchmark prints: a row per figure, against a goal, beside its peer's own
figure; `--json` gives a line per figure."""
import json
import statistics
import sys


class Figures:
    def __init__(self, title):
        self.json = "--json" in sys.argv[1:]
        self.rows = []
        if not self.json:
            print(f"\n{title}")

    def add(self, name, value, unit, peer=None, peer_value=None, ratio=None, goal=None, ok=None):
        """goal: text such as ">= 0.60"; ok: whether it holds (None: no goal)."""
        row = dict(name=name, value=value, unit=unit, peer=peer, peer_value=peer_value,
                   ratio=ratio, goal=goal, ok=ok)
        self.rows.append(row)
        if self.json:
            print(json.dumps(row), flush=True)
            return
        parts = [f"  {name:<44} {value:>12,.4g} {unit:<8}"]
        if peer:
            parts.append(f"{peer} {peer_value:,.4g}")
        if ratio is not None:
            parts.append(f"ratio {ratio:.2f}")
        if goal:
            parts.append(f"goal {goal}: {'ok' if ok else 'MISSED'}")
        print("  ".join(parts), flush=True)

    def done(self):
        """The exit status: 1 when a goal was missed."""
        return 1 if any(r["ok"] is False for r in self.rows) else 0


def in_turns(measurements, rounds):
    """Run the named measurements A B C A B C ..., so that a busy moment hits them all; the
    median of each, by name."""
    taken = {name: [] for name in measurements}
    for _ in range(rounds):
        for name, measure in measurements.items():
            taken[name].append(measure())
    return {name: statistics.median(values) for name, values in taken.items()}

"""The calibration table in short, as the README shows it.

python tests/calibration/summarise.py
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
LETTERS = {
    "patches of one sign": "P",
    "sweeps": "S",
    "excitation apart from inhibition": "A",
    "exclusive-or of four blobs": "X",
    "E blob beside I blob": "B",
}
FOUND = 0.3
ASKS = (
    *("morans_i", "along_delay", "across_sources", "gearys_c", "joins_ee", "joins_ei", "joins_ii"),
    *("weighted_joins_like", "weighted_joins_unlike", "bivariate_i", "n_clusters", "largest_cluster", "lead"),
    *("graph_morans_i", "graph_gearys_c", "graph_joins_ee", "graph_joins_ei", "graph_joins_ii"),
    *("graph_weighted_joins_like", "graph_weighted_joins_unlike"),
    *("correlogram, any lag", "smoothed_morans_i, any bandwidth", "cross_k, any distance", "mark_correlation, any distance"),
)
STATISTICS = ("morans_i", "gearys_c", "n_clusters", "lead", "graph_morans_i", "graph_joins_ei")


def sizes() -> pd.DataFrame:
    """Per null: sizes of neuron-level tests where it holds, and where it does not."""
    table = pd.read_csv(HERE / "calibration.csv")
    table = table[~table.generator.str.startswith("networks") & table["size"].notna()]
    rows = []
    for null, part in table.groupby("null", sort=False):
        holds, fails = part[part.exchangeable], part[~part.exchangeable]
        worst = (
            fails[fails.verdict == "not valid"].groupby("generator")[["size", "size_greater", "size_less"]].max().max(axis=1)
        )
        told = fails.groupby("generator").warned.first()
        rows.append(
            {
                "null": null,
                "tests": len(holds),
                "median size": f"{holds['size'].median():.3f}",
                "largest": f"{holds['size'].max():.3f}",
                "not valid for (largest size, either side; share of networks warned of)": ", ".join(
                    f"{g} ({s:.2f}; {told[g]:.0%})" for g, s in worst.items()
                )
                or "–",
            }
        )
    return pd.DataFrame(rows)


def of_networks() -> pd.DataFrame:
    """Per test of whole networks: sizes with joint permutations and with each neuron's own, where the null holds or not."""
    table = pd.read_csv(HERE / "calibration.csv")
    table = table[table.generator.str.startswith("networks") & table["size"].notna()]
    rows = []
    for test, whose in product(("network_z", "max-T"), ("joint", "own")):
        part = table[table.statistic.str.startswith(test) & table.generator.str.endswith(f"{whose} permutations")]
        holds, fails = part[part.exchangeable]["size"], part[~part.exchangeable]["size"]
        rows.append(
            {
                "test": test.replace("network_z", "network p"),
                "permutations": whose,
                "tests": len(holds),
                "largest": f"{holds.max():.3f}",
                "largest where neurons depend on each other": f"{fails.max():.2f}" if len(fails) else "–",
            }
        )
    return pd.DataFrame(rows)


def powers() -> pd.DataFrame:
    """Power of some statistics on planted structure, by null."""
    table = pd.read_csv(HERE / "power.csv")
    table = table[table.statistic.isin(STATISTICS)]
    return table.pivot_table(index=["planted", "statistic"], columns="null", values="power", sort=False).reset_index()


def finds() -> pd.DataFrame:
    """Per statistic and null: the planted structures of which at least `FOUND` of the fields are found."""
    table = pd.read_csv(HERE / "power.csv")
    table["letter"] = table.planted.map(LETTERS).where(table.power >= FOUND, "")
    found = table.groupby(["statistic", "null"], sort=False).letter.agg(lambda letters: " ".join(filter(None, letters)) or "–")
    nulls = list(dict.fromkeys(table.null))
    return found.unstack()[nulls].reindex(ASKS).fillna("").rename_axis("statistic").reset_index()


def markdown(table: pd.DataFrame) -> str:
    """The table in Markdown."""
    lines = [table.columns, ["---"] * table.shape[1], *table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(f"{v:.2f}" if isinstance(v, float) else str(v) for v in line) + " |" for line in lines)


if __name__ == "__main__":
    print(markdown(sizes()), markdown(of_networks()), markdown(powers()), markdown(finds()), sep="\n\n")

"""What a lipid's name says: class, chains, double bonds.

Names are brought to the shorthand of the field and read with Goslin (Kopczynski et al. 2020,
doi:10.1021/acs.analchem.0c01690); trivial names of common fatty acids are known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable

GOSLIN = "doi:10.1021/acs.analchem.0c01690"
COLUMNS = ("feature", "lipid", "lipid_class", "carbons", "double_bonds", "chains", "series", "resolved", "status",
           "reason")  # fmt: skip
#: trivial name (stem, without acid or the ending of the anion) -> carbons:double bonds and series
TRIVIAL = {
    "capr": "10:0", "laur": "12:0", "myrist": "14:0", "myristole": "14:1", "pentadecano": "15:0", "palmit": "16:0",
    "palmitole": "16:1", "sapien": "16:1", "margar": "17:0", "heptadecano": "17:0", "stear": "18:0", "ole": "18:1",
    "elaid": "18:1", "vaccen": "18:1", "linole": "18:2n6", "linolen": "18:3", "alpha-linolen": "18:3n3",
    "gamma-linolen": "18:3n6", "stearidon": "18:4n3", "arachid": "20:0", "gondo": "20:1", "eicoseno": "20:1",
    "dihomo-gamma-linolen": "20:3n6", "mead": "20:3n9", "arachidon": "20:4n6", "eicosapentaeno": "20:5n3",
    "behen": "22:0", "eruc": "22:1", "adren": "22:4n6", "docosapentaeno": "22:5", "docosahexaeno": "22:6n3",
    "lignocer": "24:0", "nervon": "24:1",
}  # fmt: skip
_SHORT = {"epa": "20:5n3", "dha": "22:6n3", "dpa": "22:5", "ara": "20:4n6", "dgla": "20:3n6", "ala": "18:3n3",
          "gla": "18:3n6", "la": "18:2n6"}  # fmt: skip
_CLASSES = {"TAG": "TG", "DAG": "DG", "MAG": "MG", "CER": "Cer", "LysoPC": "LPC", "LysoPE": "LPE", "lysoPC": "LPC",
            "lysoPE": "LPE", "ChE": "CE", "CHE": "CE", "AC": "CAR", "FFA": "FA", "NEFA": "FA"}  # fmt: skip
_FATTY = re.compile(
    r"^(?:F?FA|NEFA)?[\s_(\-]*C?(\d{1,2}):(\d{1,2})\s*[)]?\s*((?:[\s(]*(?:n|w|omega)[\s\-]*\d{1,2}|\(?(?:\d{1,2}[ZEct],?)+\)?"
    r"|[\s\-]*(?:cis|trans|c|t)(?:[\s\-]*\d{1,2})?|[\s,)]+)*)$",
    re.I,
)
_DEUTERIUM = re.compile(r"\(d\d+\)|[-_ ]d\d{1,2}\b(?!:)|\bISTD\b|internal standard", re.I)


@dataclass(frozen=True)
class Species:
    """A lipid: its shorthand, class, sum of carbons and double bonds, and chains where the name resolves them.

    `chains` are (carbons, double bonds) of the fatty acyls and alkyls (the sphingoid base is none of them); `series` is
    n3, n6, n9 where the name of a fatty acid says so.
    """

    lipid: str
    lipid_class: str
    carbons: int
    double_bonds: int
    chains: tuple[tuple[int, int], ...]
    series: str = ""


def normalise(name: str) -> tuple[str, str]:
    """A name in shorthand, and the series (n3, n6, ...) of a fatty acid that it tells.

    >>> normalise("C18:1n9c"), normalise("Palmitic acid"), normalise("TAG(52:2)"), normalise("PC aa C34:1")
    (('FA 18:1', 'n9'), ('FA 16:0', ''), ('TG 52:2', ''), ('PC 34:1', ''))
    >>> normalise("plasmenylPC 16:0/14:0"), normalise("PE 34:1 NEG"), normalise("lysoPC a C18:0"), normalise("DHA")
    (('PC P-16:0/14:0', ''), ('PE 34:1', ''), ('LPC 18:0', ''), ('FA 22:6', 'n3'))
    """
    text = re.sub(r"\s+", " ", str(name).strip().replace("ω", "n").replace("α", "alpha").replace("γ", "gamma"))
    text = re.sub(r"\s*(?:\[?M[+\-]\w+\]?[+\-]?|\b(?:NEG|POS)\b|[_ ](?:neg|pos))\s*$", "", text)
    trivial = _trivial(text)
    if trivial:
        return trivial
    fatty = _FATTY.match(text)
    if fatty:
        return f"FA {int(fatty[1])}:{int(fatty[2])}", _series(fatty[3])
    biocrates = re.fullmatch(r"(lysoPC|lysoPE|PC|PE|SM)\s*(aa|ae|a|e)?\s*(\(OH\))?\s*C?(\d+:\d+)", text)
    if biocrates:
        head = _CLASSES.get(biocrates[1], biocrates[1])
        if head == "SM":  # the number is that of the acyl; the base is 18:1
            c, d = (int(x) for x in biocrates[4].split(":"))
            return f"SM {c + 18}:{d + 1};O{3 if biocrates[3] else 2}", ""
        return f"{head} {'O-' if biocrates[2] in ('ae', 'e') else ''}{biocrates[4]}", ""
    text = re.sub(r"^plasmenyl-?(P[CE])[\s(]*", r"\1 P-", text, flags=re.I)
    text = re.sub(r"^plasmanyl-?(P[CE])[\s(]*", r"\1 O-", text, flags=re.I)
    text = re.sub(r"^(P[CE])[-_]?([OP])\s*\(?", r"\1 \2-", text)
    text = re.sub(r"^S[oa]1P\s*d?\s*(\d+:\d+)$", r"SPBP \1;O2", text)
    found = re.match(r"^([A-Za-z0-9]+?)[\s_\-]?(?=[(\s]|[OPdtm]-?\d|\d)", text)
    if found:
        head = found[1]
        text = _CLASSES.get(head, head) + text[len(head) :]
    text = re.sub(r"^([A-Za-z]+)[_\-](?=\d)", r"\1 ", text)
    text = re.sub(r"([dtm]) (?=\d)", r"\1", text)
    return re.sub(r"^([A-Za-z0-9]+)\s*\(([^()]*)\)$", r"\1 \2", text), ""


def _series(rest: str) -> str:
    found = re.search(r"\(?n\s*-?\s*(\d{1,2})", rest)
    return f"n{int(found[1])}" if found else ""


def _trivial(text: str) -> tuple[str, str] | None:
    low = text.lower().replace(" ", "")
    low = re.sub(r"\(.*\)$", "", low)
    known = _SHORT.get(low)
    if known is None:
        stem = re.sub(r"(?:icacid|ate|ic)$", "", low)
        stem = stem if stem != low else ""
        known = TRIVIAL.get(stem) or TRIVIAL.get(re.sub(r"^(?:n-|cis-)", "", stem))
    if not known:
        return None
    number, _, series = known.partition("n")
    return f"FA {number}", f"n{series}" if series else ""


@lru_cache(maxsize=1)
def _parser() -> Any:
    from pygoslin.parser.Parser import LipidParser

    return LipidParser()


def _bonds(part: Any) -> int:
    value = part.double_bonds
    return value if isinstance(value, int) else len(value)


def parse(name: str) -> Species:
    """A lipid by its name. Raises ValueError where it cannot be read.

    The sum of a ceramide or sphingomyelin includes its base; its chains do not. "0:0" is no chain.
    """
    if _DEUTERIUM.search(str(name)):
        raise ValueError("a labelled internal standard")
    text, series = normalise(name)
    found = re.fullmatch(r"FA (\d+):(\d+)", text)
    if found:  # most profiles hold nothing else; Goslin's grammars take seconds to load
        c, d = int(found[1]), int(found[2])
        if not 1 <= c <= 40 or d > c // 3:
            raise ValueError("no fatty acid has so many carbons or double bonds")
        return Species(text, "FA", c, d, ((c, d),), series)
    simple = re.fullmatch(r"(PC|PE|PI|PS|PG|PA|TG|DG|MG|CE|CAR|LPC|LPE|LPI|LPS|LPG|CL) (\d+):(\d+)", text)
    if simple:
        head, c, d = simple[1], int(simple[2]), int(simple[3])
        alone = head in ("MG", "CE", "CAR", "LPC", "LPE", "LPI", "LPS", "LPG")
        return Species(text, head, c, d, ((c, d),) if alone else ())
    try:
        lipid = _parser().parse(text)
    except Exception as e:  # Goslin raises several kinds, its own and others
        raise ValueError("not a lipid name that Goslin knows") from e
    info, shorthand = lipid.lipid.info, str(lipid.get_lipid_string())
    head = shorthand.split(" ")[0]
    head = "CE" if shorthand.startswith("SE 27:1") else head
    bond = info.extended_class.name
    suffix = {"ETHER_PLASMANYL": "-O", "ETHER_PLASMENYL": "-P"}.get(bond, "")
    chains = tuple(
        (int(f.num_carbon), _bonds(f))
        for f in lipid.lipid.fa_list
        if f.num_carbon > 0 and not f.lipid_FA_bond_type.name.startswith("LCB")
    )
    if info.num_carbon == 0:
        raise ValueError("the name holds no chain")
    return Species(shorthand, head + suffix, int(info.num_carbon), _bonds(info), chains)


def _methods(lipid_species: pd.DataFrame, **_: Any) -> str:
    read = int((lipid_species["status"] == "estimated").sum())
    return f"Of {len(lipid_species)} names of lipids {read} were read with Goslin ({GOSLIN}); the others are listed."


@analysis(
    title="Names of lipids",
    reference=GOSLIN,
    methods=_methods,
    formula="No formula: names read by the Goslin grammars",
    oracle="Names of two published lipid tables (tests/omics/test_fatty_acids.py)",
    limits="A sum composition (PC 34:1) does not tell its chains, and none are assumed.",
)
def lipid_species(fatty_acids: pd.DataFrame) -> pd.DataFrame:
    """One row per feature: `COLUMNS`; `chains` as text (16:0/18:1), `resolved` where the name tells all chains.

    `status` is "estimated" where the name was read, else "not_estimable" with the reason.
    """
    rows = []
    for feature in sorted(set(fatty_acids["feature"].astype(str))):
        try:
            one = parse(feature)
        except ValueError as e:
            rows.append({"feature": feature, "status": "not_estimable", "reason": str(e), "resolved": False})
            continue
        rows.append({"feature": feature, "lipid": one.lipid, "lipid_class": one.lipid_class, "carbons": one.carbons,
                     "double_bonds": one.double_bonds, "chains": "/".join(f"{c}:{d}" for c, d in one.chains),
                     "series": one.series, "resolved": bool(one.chains), "status": "estimated",
                     "reason": ""})  # fmt: skip
    if not any(r["status"] == "estimated" for r in rows):
        raise NotApplicable("no feature of the table has a name of a fatty acid or lipid")
    out = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    for c in ("lipid", "lipid_class", "chains", "series"):
        out[c] = out[c].fillna("")
    return out.astype({"carbons": "float64", "double_bonds": "float64"})

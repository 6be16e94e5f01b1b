"""Tiny files in the published format of each fetchable table, written by hand."""
# ruff: noqa: E501 - rows of published tables are long

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq


def tsv(*rows: str) -> bytes:
    """Tab-separated lines; columns are written with a vertical bar that stands alone between spaces."""
    return ("\n".join(r.replace(" | ", "\t") for r in rows) + "\n").encode()


def zipped(name: str, data: bytes) -> bytes:
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as archive:
        archive.writestr(name, data)
    return box.getvalue()


def workbook(*sheets: list[list[object]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for i, rows in enumerate(sheets):
        sheet = book.create_sheet(f"Table {i + 1}")
        for row in rows:
            sheet.append(row)
    box = io.BytesIO()
    book.save(box)
    book.close()
    return box.getvalue()


def parquet(rows: list[dict[str, object]]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue().to_pybytes())


DRUGCENTRAL = gzip.compress(
    tsv(
        '"DRUG_NAME" | "STRUCT_ID" | "TARGET_NAME" | "TARGET_CLASS" | "ACCESSION" | "GENE" | "SWISSPROT" | "ACT_VALUE" '
        '| "ACT_UNIT" | "ACT_TYPE" | "ACT_COMMENT" | "ACT_SOURCE" | "RELATION" | "MOA" | "MOA_SOURCE" | "ACT_SOURCE_URL" '
        '| "MOA_SOURCE_URL" | "ACTION_TYPE" | "TDL" | "ORGANISM"',
        '"epalrestat" | "1024" | "Aldose reductase" | "Enzyme" | "P15121" | "AKR1B1" | "ALDR_HUMAN" | "7.68" |  | "IC50" '
        '|  | "SCIENTIFIC LITERATURE" | "=" | "1" | "SCIENTIFIC LITERATURE" |  |  | "INHIBITOR" | "Tclin" | "Homo sapiens"',
        '"levobupivacaine" | "4" | "Sodium channel" | "Ion channel" | "P08104|P15390" | "Scn3a|Scn4a" | "SCN_RAT" | "5.0" '
        '|  | "IC50" |  | "CHEMBL" | "=" |  |  |  |  |  | "Tclin" | "Rattus norvegicus"',
        '"somedrug" | "9" | "Complex" | "Enzyme" | "P1|P2" | "GENEA|GENEB" | "X" |  |  |  |  |  |  | "1" | "CHEMBL" |  |  '
        '| "BLOCKER" | "Tclin|Tchem" | "Homo sapiens"',
    )
)
STRUCTURES = tsv(
    "SMILES | InChI | InChIKey | ID | INN | CAS_RN",
    "CCO | InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3 | LFQSCWFLJHTTHZ-UHFFFAOYSA-N | 4600 | alcohol | 64-17-5",
    'C"C | x | AAAAAAAAAAAAAA-UHFFFAOYSA-N | 4601 | quoted"name | 1-23-4',
)
OT_DRUGS = parquet(
    [
        {
            "id": "CHEMBL1289601", "name": "LENVATINIB", "drugType": "Small molecule", "parentId": None,
            "inchiKey": "WOSKHXYHFSIKNG-UHFFFAOYSA-N", "synonyms": ["E-7080", "ER-203492"], "tradeNames": ["Kispleks"],
            "maximumClinicalTrialPhase": 4.0, "isApproved": True, "hasBeenWithdrawn": False, "blackBoxWarning": False,
        },
        {
            "id": "CHEMBL2105756", "name": "LENVATINIB MESYLATE", "drugType": "Small molecule",
            "parentId": "CHEMBL1289601", "inchiKey": "HWLFIUUAYLEFCT-UHFFFAOYSA-N", "synonyms": ["E-7080 mesylate"],
            "tradeNames": ["Lenvixar"], "maximumClinicalTrialPhase": 4.0, "isApproved": True, "hasBeenWithdrawn": False,
            "blackBoxWarning": False,
        },
    ]
)  # fmt: skip
OT_DRUGS_NEWER = (
    json.dumps({"id": "CHEMBL1", "name": "SOMETHING", "synonyms": [{"label": "S-1", "source": "ChEMBL"}], "tradeNames": [],
                "maximumClinicalStage": "PHASE_2"}) + "\n"
).encode()  # fmt: skip
OT_MECHANISMS = parquet(
    [
        {"chemblIds": ["CHEMBL1289601", "CHEMBL2105756"], "actionType": "INHIBITOR", "mechanismOfAction": "VEGFR inhibitor",
         "targets": ["ENSG00000128052", "ENSG00000102755"], "targetName": "VEGFR", "targetType": "protein family"},
        {"chemblIds": ["CHEMBL2"], "actionType": "BINDING AGENT", "mechanismOfAction": "unknown", "targets": None,
         "targetName": None, "targetType": None},
    ]
)  # fmt: skip
DILI = workbook(
    [
        ["DILIrank 2.0 (a title above the table)"],
        ["LTKBID", "CompoundName", "SeverityClass", "LabelSection", "vDILI-Concern", "Comment"],
        ["LT01241", "sorafenib", 8, "Warnings and precautions", "vMOST-DILI-concern", None],
        ["LT00119", "metformin", 0, "No match", "vNo-DILI-Concern", "checked"],
        ["LT01096", "atovaquone", 8, "Warnings and precautions", "Ambiguous DILI-concern", None],
    ]
)
CIVIC = tsv(
    "molecular_profile | molecular_profile_id | disease | doid | phenotypes | therapies | therapy_interaction_type | "
    "evidence_type | evidence_direction | evidence_level | significance | evidence_statement | citation_id | source_type | "
    "asco_abstract_id | citation | nct_ids | rating | evidence_status | evidence_id | variant_origin | last_review_date | "
    "is_flagged",
    "PROM1 Expression | 1 | Hepatocellular Carcinoma | 684.0 |  | Sorafenib,Doxorubicin | Combination | Predictive | "
    "Does Not Support | B | Resistance | A statement, with a comma. | 12345678 | PubMed |  | Author et al., 2017 | NCT1,NCT2 "
    "| 3.0 | accepted | 42 | Somatic | 2023-01-09 21:46:25 UTC | False",
)
HALLMARK = tsv("HALLMARK_HYPOXIA | http://x/HALLMARK_HYPOXIA | PGK1 | PDK1", "HALLMARK_EMPTY_TAIL | http://x | VIM | ")
GO = tsv("GOBP_GLYCOLYTIC_PROCESS | http://x | HK1 | HK2")
REACTOME = zipped("ReactomePathways.gmt", tsv("2-LTR circle formation | R-HSA-164843 | BANF1 | HMGA1"))
WIKI = tsv("GDNF signaling%WikiPathways_20260710%WP5143%Homo sapiens | https://x/WP5143 | 6482 | 3576")
COLLECTRI = (
    b'"source","target","weight","TF.category","resources","PMID","sign.decision"\n'
    b'"MYC","TERT",1,"dbTF","DoRothEA;ExTRI","10022128;10491298","PMID"\n'
    b'"SNAI1","CDH1",-1,"dbTF","ExTRI","12345678","PMID"\n'
)
PROGENY = tsv(
    "uniprot | genesymbol | entity_type | source | label | value | record_id",
    "P15692 | VEGFA | protein | PROGENy | pathway | Hypoxia | 7",
    "P15692 | VEGFA | protein | PROGENy | weight | 3.5 | 7",
    "P15692 | VEGFA | protein | PROGENy | p_value | 1e-9 | 7",
    "P15692 | VEGFA | protein | PROGENy | pathway | MAPK | 8",
    "P15692 | VEGFA | protein | PROGENy | weight | -0.2 | 8",
    "P15692 | VEGFA | protein | PROGENy | p_value | 0.4 | 8",
)
TARGETSCAN = zipped(
    "Predicted_Targets_Info.default_predictions.txt",
    tsv(
        "miR Family | Gene ID | Gene Symbol | Transcript ID | Species ID | UTR start | UTR end | MSA start | MSA end | "
        "Seed match | PCT",
        "miR-513a-5p | ENSG00000151012.9 | SLC7A11 | ENST00000280612.5 | 9606 | 100 | 107 | 150 | 157 | 8mer | 0.91",
        "miR-513a-5p | ENSG00000151012.9 | SLC7A11 | ENST00000280612.5 | 10090 | 90 | 97 | 150 | 157 | 8mer | 0.91",
        "miR-1-3p | ENSG00000134954.10 | ETS1 | ENST00000319397.6 | 9606 | 20 | 26 | 25 | 31 | 7mer-1a | NULL",
    ),
)
JASPAR = (
    b">MA0099.3\tFOS::JUN\n"
    b"A  [   0   0  98 ]\nC  [   1   0   1 ]\nG  [   0  99   0 ]\nT  [  99   1   1 ]\n\n"
    b">MA0477.2\tFOSL1(var.2)\n"
    b"A  [ 5 6 ]\nC  [ 1 2 ]\nG  [ 3 4 ]\nT  [ 7 8 ]\n"
)
GEM_YML = b"""---
!!omap
- metaData:
    id: "HumanGEM"
    version: "1.19.0"
    note: "A model: generic."
- metabolites:
    - !!omap
      - id: "MAM01682c"
      - name: "D-glucitol"
      - compartment: "c"
      - formula: "C6H14O6"
      - charge: 0
    - !!omap
      - id: "MAM01682e"
      - name: "D-glucitol"
      - compartment: "e"
      - formula: "C6H14O6"
      - charge: 0
    - !!omap
      - id: "MAM01965c"
      - name: "glucose"
      - compartment: "c"
      - formula: "C6H12O6"
      - charge: 0
- reactions:
    - !!omap
      - id: "MAR04316"
      - name: "D-Glucitol:NADP+ 1-oxidoreductase"
      - metabolites: !!omap
          - MAM01682c: -1
          - MAM01965c: 1
      - lower_bound: -1000
      - upper_bound: 1000
      - gene_reaction_rule: "ENSG00000085662 or ENSG00000198074"
      - eccodes: "1.1.1.21;1.1.1.2"
      - subsystem:
          - "Fructose and mannose metabolism"
      - confidence_score: 0
    - !!omap
      - id: "MAR00001"
      - metabolites: !!omap
          - MAM01965c: -2
          - MAM01682c: 1
      - lower_bound: 0
      - upper_bound: 1000
      - gene_reaction_rule: ""
      - subsystem:
          - "Transport: reactions"
- genes:
    - !!omap
      - id: "ENSG00000085662"
- compartments: !!omap
    - c: "Cytosol"
"""
GEM_METABOLITES = tsv(
    "mets | metsNoComp | metBiGGID | metKEGGID | metHMDBID | metChEBIID | metPubChemID | metLipidMapsID | metRetired",
    '"MAM01682c" | "MAM01682" | "sbt_D" | "C00794" | "HMDB0000247" | "CHEBI:17924" | "5780" | "" | "m01682c"',
    '"MAM01682e" | "MAM01682" | "sbt_D" | "C00794" | "HMDB0000247" | "CHEBI:17924" | "5780" | "" | "m01682s"',
    '"MAM01965c" | "MAM01965" | "glc_D" | "C00031;C00221" | "HMDB0000122" | "CHEBI:4167" | "" | "" | "m01965c"',
)
GEM_REACTIONS = tsv(
    "rxns | rxnKEGGID | rxnBiGGID | rxnREACTOMEID | rxnRheaID | rxnRetired",
    '"MAR04316" | "R01787" | "" | "R-HSA-198844;R-HSA-198845" | "12789" | ""',
    '"MAR00001" | "" | "" | "" | "" | ""',
)
STRING_LINKS = gzip.compress(
    b"protein1 protein2 combined_score\n"
    b"9606.ENSP01 9606.ENSP02 910\n9606.ENSP02 9606.ENSP01 910\n9606.ENSP01 9606.ENSP03 155\n9606.ENSP03 9606.ENSP02 400\n"
    b"9606.ENSP02 9606.ENSP03 400\n"
)
STRING_INFO = gzip.compress(
    tsv(
        "#string_protein_id | preferred_name | protein_size | annotation",
        '9606.ENSP01 | AXL | 894 | A "quoted annotation',
        "9606.ENSP02 | GAS6 | 678 | b",
        "9606.ENSP03 | IL6 | 212 | c",
    )
)
HPA = zipped(
    "proteinatlas.tsv",
    tsv(
        "Gene | Gene synonym | Ensembl | Gene description | Uniprot | Protein class | Secretome location | Secretome function",
        'IL6 | "IFNB2, IL-6" | ENSG00000136244 | Interleukin 6 | P05231 | Cancer-related genes, Plasma proteins | '
        "Secreted to blood | Cytokine",
        "AKR1B1 | AR | ENSG00000085662 | Aldo-keto reductase | P15121 | Enzymes |  | ",
    ),
)
CELLOSAURUS = b"""----------------------------------------------------------------------------
        CALIPHO group at the SIB - Swiss Institute of Bioinformatics
----------------------------------------------------------------------------

 Description: Cellosaurus: a knowledge resource on cell lines
 Name: cellosaurus.txt
 Version: 52.0 (April 2025)

  ---------  ---------------------------     ----------------------
  Line code  Content                         Occurrence in an entry
  ID         Identifier (cell line name)     Once; starts an entry
  //         Terminator                      Once; ends an entry

ID   L-02
AC   CVCL_6926
SY   L02; LO2; HL-7702; HL7702
DR   Wikidata; Q54896742
RX   PubMed=26116706;
WW   https://iclac.org/wp-content/uploads/Cross-Contaminations_v12_distribution.xlsx
CC   Problematic cell line: Contaminated. Shown to be a HeLa derivative (PubMed=26116706).
CC   Registration: International Cell Line Authentication Committee, Register of Misidentified Cell Lines; ICLAC-00514.
CC   Derived from site: In situ; Uterus, cervix; UBERON=UBERON_0000002.
DI   NCIt; C27677; Human papillomavirus-related cervical adenocarcinoma
OX   NCBI_TaxID=9606; ! Homo sapiens (Human)
HI   CVCL_0030 ! HeLa
SX   Female
AG   30Y6M
CA   Cancer cell line
DT   Created: 04-04-12; Last updated: 10-04-25; Version: 25
//
ID   Huh-7
AC   CVCL_0336
SY   HUH-7; HuH-7; Huh7
DI   NCIt; C3099; Hepatocellular carcinoma
OX   NCBI_TaxID=9606; ! Homo sapiens (Human)
SX   Male
AG   57Y
CA   Cancer cell line
//
ID   Hepa 1-6
AC   CVCL_0327
OX   NCBI_TaxID=10090; ! Mus musculus (Mouse)
CA   Cancer cell line
//
"""
_ICLAC_HEADS: list[object] = [
    "Misidentified Cell Line", "Misidentified Cell Line, Cellosaurus AC", "Claimed Species", "Claimed Cell Type",
    "Contaminating Cell Line", "Contaminating Cell Line, Cellosaurus AC", "Actual Species", "Actual Cell Type",
    "Misidentification Reported By", "Reference PubMed ID",
]  # fmt: skip
ICLAC = workbook(
    [
        ["Register of Misidentified Cell Lines"], ["Version 14"], [None], _ICLAC_HEADS,
        ["L-02", "CVCL_6926", "Human", "Normal liver", "HeLa", "CVCL_0030", "Human", "Cervical adenocarcinoma",
         "Ye F et al, 2015", "26116706; 12345678"],
    ],
    [
        ["Table 2"], _ICLAC_HEADS,
        ["SOME-1", None, "Human", "Skin", "OTHER", None, "Mouse", "Fibroblast", "Someone 2001", 11111111],
    ],
)  # fmt: skip
HGNC = tsv(
    "hgnc_id | symbol | name | locus_group | locus_type | status | location | alias_symbol | alias_name | prev_symbol | "
    "entrez_id | ensembl_gene_id | uniprot_ids",
    'HGNC:381 | AKR1B1 | aldo-keto reductase family 1 member B | protein-coding gene | x | Approved | 7q33 | "AR|ALR2" | '
    "| ALDR1 | 231 | ENSG00000085662 | P15121",
    'HGNC:644 | AR | androgen receptor | protein-coding gene | x | Approved | Xq12 | "AIS|NR3C4" |  | "DHTR|SBMA" | 367 | '
    "ENSG00000169083 | P10275",
    "HGNC:1 | OLD | withdrawn entry | withdrawn | x | Entry Withdrawn |  |  |  |  |  |  | ",
)

#: a series matrix as GEO publishes it: quoted cells, characteristics in another order for one sample, a missing value
SERIES_MATRIX = (
    '!Series_title\t"Sorafenib after resection"\n!Series_geo_accession\t"GSE109211"\n'
    '!Series_platform_id\t"GPL13938"\n'
    '!Sample_title\t"Patient 1"\t"Patient 2"\t"Patient 3"\n!Sample_geo_accession\t"GSM1"\t"GSM2"\t"GSM3"\n'
    '!Sample_source_name_ch1\t"tumor"\t"tumor"\t"tumor"\n'
    '!Sample_characteristics_ch1\t"treatment: Sor"\t"treatment: Plac"\t"outcome: responder"\n'
    '!Sample_characteristics_ch1\t"outcome: non-responder"\t"outcome: responder"\t"treatment: Sor"\n'
    '!series_matrix_table_begin\n"ID_REF"\t"GSM1"\t"GSM2"\t"GSM3"\n"ILMN_1"\t7.5\t8.25\tnull\n'
    '"ILMN_2"\t10\t11.5\t9\n"ILMN_3"\t1\t2\t3\n!series_matrix_table_end\n'
)
XENA_SURVIVAL = tsv(
    "sample | _PATIENT | OS | OS.time | DSS | DSS.time | DFI | DFI.time | PFI | PFI.time | Redaction",
    "TCGA-AA-0001-01 | TCGA-AA-0001 | 1 | 410 | 1 | 410 |  |  | 1 | 200 | ",
    "TCGA-AA-0001-11 | TCGA-AA-0001 | 1 | 410 | 1 | 410 |  |  | 1 | 200 | ",
    "TCGA-AA-0002-01 | TCGA-AA-0002 | 0 | 1200 | 0 | 1200 | 0 | 1200 | 0 | 1200 | ",
)
XENA_MATRIX = tsv(
    "sample | TCGA-AA-0001-01 | TCGA-AA-0001-11 | TCGA-AA-0002-01", "AKR1B1 | 9.5 | 7.25 | 8", "FOSL2 | 5 | 6 | 7"
)
TCGA_CDR = (
    ",bcr_patient_barcode,type,OS,OS.time,DSS,DSS.time,DFI,DFI.time,PFI,PFI.time,Redaction\n"
    "1,TCGA-AA-0001,LIHC,1,410,1,410,#N/A,#N/A,1,200,\n2,TCGA-AA-0002,LIHC,0,1200,0,1200,0,1200,0,1200,Redacted\n"
)
CBIOPORTAL = json.dumps(
    [
        {"studyId": "lihc", "patientId": "TCGA-AA-0001", "clinicalAttributeId": "OS_MONTHS", "value": "13.5"},
        {"studyId": "lihc", "patientId": "TCGA-AA-0001", "clinicalAttributeId": "OS_STATUS", "value": "1:DECEASED"},
        {"studyId": "lihc", "patientId": "TCGA-AA-0001", "clinicalAttributeId": "AGE", "value": "61"},
    ]
).encode()

#: resource -> its files, as (name in the catalogue, bytes)
SAMPLES: dict[str, list[tuple[str, bytes]]] = {
    "drugcentral": [("drug.target.interaction.tsv.gz", DRUGCENTRAL)],
    "drugcentral_structures": [("structures.smiles.tsv", STRUCTURES)],
    "drugcentral_approvals": [
        ("FDA_Approved.csv", b'2104,perflutren\n5405,"drug, with comma"\n'),
        ("EMA_Approved.csv", b"1834,monobenzone\n"),
        ("PMDA_Approved.csv", b"5392,capmatinib\n"),
    ],
    "open_targets_drugs": [("part-00000.parquet", OT_DRUGS)],
    "open_targets_mechanisms": [("part-00000.parquet", OT_MECHANISMS)],
    "dilirank": [("DILIrank.xlsx", DILI)],
    "civic": [("ClinicalEvidenceSummaries.tsv", CIVIC)],
    "hallmark": [("h.all.v2025.1.Hs.symbols.gmt", HALLMARK)],
    "go_bp": [("c5.go.bp.v2025.1.Hs.symbols.gmt", GO)],
    "reactome": [("ReactomePathways.gmt.zip", REACTOME)],
    "wikipathways": [("wikipathways-20260710-gmt-Homo_sapiens.gmt", WIKI)],
    "collectri": [("CollecTRI_regulons.csv", COLLECTRI)],
    "progeny": [("progeny.tsv", PROGENY)],
    "targetscan": [("Predicted_Targets_Info.default_predictions.txt.zip", TARGETSCAN)],
    "jaspar": [("JASPAR2024_CORE_vertebrates_non-redundant_pfms_jaspar.txt", JASPAR)],
    "humangem_metabolites": [("Human-GEM.yml", GEM_YML), ("metabolites.tsv", GEM_METABOLITES)],
    "humangem_reactions": [("Human-GEM.yml", GEM_YML), ("reactions.tsv", GEM_REACTIONS)],
    "string_links": [
        ("9606.protein.links.v12.0.txt.gz", STRING_LINKS),
        ("9606.protein.info.v12.0.txt.gz", STRING_INFO),
    ],
    "hpa_secretome": [("proteinatlas.tsv.zip", HPA)],
    "cellosaurus": [("cellosaurus.txt", CELLOSAURUS)],
    "iclac": [("Cross-Contaminations_v14_distribution.xlsx", ICLAC)],
    "hgnc": [("hgnc_complete_set.txt", HGNC)],
    "gse109211": [("GSE109211_series_matrix.txt.gz", gzip.compress(SERIES_MATRIX.encode(), mtime=0))],
    "tcga_lihc_survival": [("LIHC_survival.txt", XENA_SURVIVAL)],
    "tcga_lihc_expression": [("TCGA.LIHC.sampleMap_HiSeqV2.gz", gzip.compress(XENA_MATRIX, mtime=0))],
    "tcga_cdr": [("TCGA-CDR-SupplementalTableS1.xlsx", TCGA_CDR.encode())],
    "cbioportal_lihc": [("lihc_tcga_pan_can_atlas_2018_patients.json", CBIOPORTAL)],
}


def write(folder: Path, name: str) -> list[Path]:
    """Write the sample files of a resource to a folder; gives their paths in the catalogue's order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for file, data in SAMPLES[name]:
        (folder / file).write_bytes(data)
        paths.append(folder / file)
    return paths

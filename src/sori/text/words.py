"""Readers for what is written in letters: words, initials, abbreviations, acronyms."""

import re

from sori.text.tokens import spelled

# Titles and the like: the full stop belongs to the word.
TITLES = {
    "mr": "mister",
    "mrs": "missus",
    "ms": "Ms",
    "dr": "doctor",
    "prof": "professor",
    "rev": "reverend",
    "hon": "honorable",
    "gen": "general",
    "col": "colonel",
    "sgt": "sergeant",
    "capt": "captain",
    "cpt": "captain",
    "cmdr": "commander",
    "lt": "lieutenant",
    "sen": "senator",
    "gov": "governor",
    "pres": "president",
    "supt": "superintendent",
    "messrs": "messers",
    "mt": "mount",
    "ft": "fort",
}
ABBREVIATIONS = TITLES | {
    "jr": "junior",
    "sr": "senior",
    "esq": "esquire",
    "etc": "etcetera",
    "vs": "versus",
    "viz": "namely",
    "cf": "compare",
    "approx": "approximately",
    "dept": "department",
    "est": "established",
    "inc": "incorporated",
    "corp": "corporation",
    "ltd": "limited",
    "bros": "brothers",
    "ave": "avenue",
    "blvd": "boulevard",
    "rd": "road",
    "apt": "apartment",
    "fig": "figure",
    "vol": "volume",
    "vols": "volumes",
    "ch": "chapter",
    "univ": "university",
    "jan": "January",
    "feb": "February",
    "mar": "March",
    "apr": "April",
    "jun": "June",
    "jul": "July",
    "aug": "August",
    "sep": "September",
    "sept": "September",
    "oct": "October",
    "nov": "November",
    "dec": "December",
}
# Without a full stop these are ordinary words or too doubtful to expand.
BARE = frozenset("mr mrs ms dr prof vs etc jr sr ltd dept".split())
DOTTED = {
    "e.g.": "for example",
    "i.e.": "that is",
    "a.k.a.": "also known as",
    "p.s.": spelled("PS"),
}

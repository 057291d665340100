"""Which reading of a word that is spelled like another: by part of speech, or by its company.

Most such words (record, present, object, ...) differ by part of speech alone; `grammar` guesses
that. The rest are told apart by words that keep company with one meaning; those lists are ours.
"""

from collections.abc import Callable

from sori.text import grammar
from sori.text.grammar import after, before, part_of_speech
from sori.text.lexicon import Readings
from sori.text.wordlist import word_set

_LEAD_BEFORE = word_set("molten liquid melted contains contained poured")
_LEAD_AFTER = word_set(
    "pipe pipes paint paints poisoning bullet bullets shot weights weight acetate oxide mine mines "
    "ore battery batteries acid glass crystal roof coffin free lined sheet sheets solder sinker "
    "sinkers pellets"
)
_METALS = word_set("zinc copper tin iron mercury silver gold cadmium arsenic steel")
_MASSES = word_set(
    "tons tonnes pieces pounds traces levels lumps lump bars piece made made full exposure"
)
_LIVE_AFTER = word_set(
    "music concert concerts show shows broadcast broadcasts performance performances band audience "
    "tv television coverage stream streams event events wire wires ammunition ammo animals bait "
    "chat album recording version report reports stock action fire feed updates rounds theatre "
    "theater entertainment"
)
_LIVE_BEFORE = word_set(
    "go goes going went gone broadcast broadcasts performed perform performing streamed aired "
    "airing shown play played recorded sang"
)
_FISH = word_set(
    "fish fishing caught catch lake river sea largemouth smallmouth striped grilled fillet hook "
    "angler anglers pond trout salmon freshwater net"
)
_SHIP = word_set("ship ship's boat boat's deck stern hull sailors curtain starboard port vessel")
_QUARREL = word_set("over about with between")
_QUARREL_BEFORE = word_set("blazing huge terrible almighty bitter furious public political")
_SMALL = word_set(
    "detail details amount amounts quantity quantities traces particles fraction differences "
    "inspection examination variations crystals creatures fragments scratches"
)
_WOUND_AFTER = word_set("up around through down its round itself along the back tightly")
_CLOSE_AFTER = word_set(
    "to by friend friends enough range proximity attention call relationship relative relatives "
    "together behind look contact ties watch family finish election race second quarters"
)
_CLOSE_BEFORE = word_set(
    "very so too how get got gets getting come comes came coming stay stayed stand stood standing "
    "draw drew sit sat keep kept live lived that this equally was is are were be been it's pretty "
    "extremely"
)
_DIVE = word_set("into in off under down headfirst straight for through deep")
_LEARNED = word_set(
    "man men woman scholar scholars professor society friend judge gentleman journal"
)
_HOLY = word_set("virgin mary day thing relief sacrament event sacraments saint trinity")
_OLD = word_set("man woman parents mother father aunt uncle relative relatives people couple")
_PAST = word_set(
    "yesterday ago last once earlier previously already was were had did said told went came gave "
    "took wrote thought knew got found saw then before"
)
_DEER = word_set("bucks buck stags deer fawns")
_WOODEN = word_set("chop chopped wood swords firemen firefighters hatchets knives trees swung")
_COORDINATES = word_set("x y z both coordinate vertical horizontal principal two perpendicular")
_PLACE = word_set("in to from near at")
_RIPPED = word_set(
    "fabric cloth paper shirt dress sleeve muscle ligament lining tissue curtain sail net"
)

# Their ordinary reading is that of the adjective.
_ADJECTIVES = word_set("content invalid upset")

Chooser = Callable[[list[str], int], str]


def choose(readings: Readings, words: list[str], index: int, written: str) -> str:
    """Return the tag of the reading that fits a word among its neighbours.

    Args:
        words: the spoken words and marks of the sentence, in small letters.
        written: the word as written, for its capital.
    """
    word = words[index]
    if special := _SPECIAL.get(word):
        tag = special(words, index)
    elif word in _NAMES:
        tag = _NAMES[word](words, index) if written[:1].isupper() else ""
    else:
        tag = _ordinary(readings, words, index)
    if tag in readings:
        return tag
    return "F" if "F" in readings and not after(words, index) else ""


def _ordinary(readings: Readings, words: list[str], index: int) -> str:
    if "F" in readings:
        return "" if after(words, index) else "F"
    part = part_of_speech(words, index)
    if part == "A" and "A" not in readings:
        # Before a noun a word sounds like a noun ("the recall notice"), after "is" it does not.
        follows_be = before(words, index) in grammar.BE
        return "" if follows_be or words[index] in _ADJECTIVES else "N"
    if part == "N" and "N" not in readings and "A" in readings and "V" not in readings:
        return "" if readings[""] else "A"
    return part


def _read(words: list[str], index: int) -> str:
    previous = before(words, index)
    if previous in grammar.HAVE or previous in grammar.BE or previous in ("get", "gets", "got"):
        return "P"
    if previous in grammar.SUBJECTS and before(words, index - 1) in grammar.HAVE:
        return "P"
    if previous == "to" or previous in grammar.MODALS or not previous:
        return "D" if not previous and index and _tells_past(words) else ""
    if previous in grammar.PLURAL_SUBJECTS or grammar.is_plural(previous):
        return "D" if _tells_past(words) else ""
    if previous in ("a", "good", "quick", "great", "must", "and", "or", "please"):
        return "D" if previous == "and" and _tells_past(words) else ""
    return "D"  # "he read", "Mary read": the present would be "reads"


def _tells_past(words: list[str]) -> bool:
    return any(word in _PAST or (word.endswith("ed") and len(word) > 4) for word in words)


def _lead(words: list[str], index: int) -> str:
    previous, following = before(words, index), after(words, index)
    metal = (
        following in _LEAD_AFTER
        or previous in _LEAD_BEFORE
        or previous in _METALS
        or (
            previous in ("of", "with", "as")
            and index > 1
            and words[index - 2] in _MASSES | {"heavy"}
        )
        or (previous in ("of", "from", "and", "or") and bool(_METALS & set(words)))
        or (following in ("and", "or") and after(words, index, 2) in _METALS)
    )
    return "X" if metal else ""


def _live(words: list[str], index: int) -> str:
    previous, following = before(words, index), after(words, index)
    if following in _LIVE_AFTER or previous in _LIVE_BEFORE:
        return "A"
    if previous in grammar.BE:
        return "A"
    is_verb = previous == "to" or previous in grammar.MODALS or previous in grammar.SUBJECTS
    return "A" if previous in ("a", "the", "this") and not is_verb and following else ""


def _bow(words: list[str], index: int) -> str:
    if _SHIP & set(words) or words[index - 1 : index] in (["deep"], ["low"], ["final"]):
        return "V"
    if part_of_speech(words, index) == "V":
        return "V"
    taken = {"took", "take", "takes", "taking"} & set(words[max(0, index - 3) : index])
    return "V" if taken and after(words, index) not in ("and",) else ""


def _close(words: list[str], index: int) -> str:
    previous, following = before(words, index), after(words, index)
    if previous == "to" or previous in grammar.MODALS:
        return "V"
    if following in ("of", "") and previous in ("the", "a", "at"):
        return "N"
    if following in _CLOSE_AFTER or previous in _CLOSE_BEFORE or previous in ("a", "his", "her"):
        return ""
    if (
        following in grammar.ARTICLES
        or following in grammar.OBJECTS
        or previous in grammar.SUBJECTS
    ):
        return "V"
    return "V" if grammar.is_plural(previous) else ""


def _minute(words: list[str], index: int) -> str:
    previous, following = before(words, index), after(words, index)
    return (
        "A"
        if following in _SMALL
        or words[index - 1 : index] in (["very"], ["so"], ["most"])
        or (previous in grammar.BE and not following)
        else ""
    )


def _row(words: list[str], index: int) -> str:
    previous, following = before(words, index), after(words, index)
    if previous in _QUARREL_BEFORE:
        return "X"
    had = {"had", "having", "have", "started", "cause", "caused"} & set(
        words[max(0, index - 3) : index]
    )
    noun = previous in ("a", "the", "this", "another")
    return "X" if noun and (following in _QUARREL or (had and following != "of")) else ""


def _bass(words: list[str], index: int) -> str:
    return "X" if _FISH & set(words) else ""


def _wound(words: list[str], index: int) -> str:
    previous, following = before(words, index), after(words, index)
    if words[index - 1 : index] and words[index - 1] in grammar.DETERMINERS | grammar.PREPOSITIONS:
        return ""
    subject = previous in grammar.SUBJECTS or previous in grammar.HAVE or bool(previous)
    return "D" if subject and following in _WOUND_AFTER and previous not in ("to", "not") else ""


def _dove(words: list[str], index: int) -> str:
    previous = before(words, index)
    noun = previous in grammar.DETERMINERS or grammar.is_adjective(previous)
    return "V" if not noun and previous and after(words, index) in _DIVE else ""


def _sow(words: list[str], index: int) -> str:
    return (
        "N"
        if part_of_speech(words, index) != "V" and before(words, index) not in grammar.MODALS
        else ""
    )


def _used(words: list[str], index: int) -> str:
    if after(words, index) != "to":
        return ""
    if before(words, index) not in grammar.BE:
        return "D" if before(words, index) not in ("commonly", "method") else ""
    target = after(words, index, 2)
    accustomed = target in grammar.DETERMINERS | grammar.OBJECTS or target.endswith("ing")
    return "D" if accustomed or not target else ""


def _tear(words: list[str], index: int) -> str:
    if part_of_speech(words, index) == "V":
        return "V"
    ripped = bool(_RIPPED & set(words[index:])) or words[max(0, index - 2) : index] == [
        "wear",
        "and",
    ]
    return "V" if ripped else ""


def _wind(words: list[str], index: int) -> str:
    previous, following = before(words, index), after(words, index)
    if previous == "to" or previous in grammar.MODALS or previous in grammar.PLURAL_SUBJECTS:
        return "V"
    return "V" if following in ("up", "down") and previous not in grammar.DETERMINERS else ""


def _winds(words: list[str], index: int) -> str:
    following = after(words, index)
    moves = following in ("through", "around", "along", "its", "up", "between", "past", "down")
    return "V" if moves and before(words, index) not in grammar.DETERMINERS | {"strong"} else ""


def _company(company: frozenset[str], tag: str) -> Chooser:
    """Return a chooser of `tag` if a following word is one of some company."""
    return lambda words, index: tag if after(words, index) in company else ""


def _aged(words: list[str], index: int) -> str:
    following = after(words, index)
    people = before(words, index) == "the" and following in ("", "and", "in", "who", "are")
    return "A" if following in _OLD or people else ""


def _present_among(company: frozenset[str], tag: str) -> Chooser:
    """Return a chooser of `tag` if one of some company stands anywhere in the sentence."""
    return lambda words, index: tag if company & set(words) else ""


def _axes(words: list[str], index: int) -> str:
    tools = _WOODEN & set(words)
    return (
        "X" if words[index - 1 : index] and words[index - 1] in _COORDINATES and not tools else ""
    )


def _lives(words: list[str], index: int) -> str:
    previous = before(words, index)
    if (
        previous in ("he", "she", "it", "who", "that", "which")
        or part_of_speech(words, index) == "V"
    ):
        return "V"
    noun = (
        previous in grammar.DETERMINERS
        or previous in grammar.NUMBERS
        or grammar.is_adjective(previous)
    )
    named = after(words, index) in (
        "in",
        "at",
        "on",
        "with",
        "here",
        "there",
        "near",
        "alone",
        "by",
    )
    return "V" if named and not noun and previous not in grammar.PREPOSITIONS | {"'s"} else ""


def _sake(words: list[str], index: int) -> str:
    drink = {"drink", "drank", "cup", "bottle", "warm", "hot", "japanese", "sushi", "glass"}
    return "X" if drink & set(words) and words[index - 1] not in ("'s", "for") else ""


def _town(words: list[str], index: int) -> str:
    return "X" if index and words[index - 1] in _PLACE else ""


def _resume(words: list[str], index: int) -> str:
    owned = words[index - 1 : index] and words[index - 1] in grammar.ARTICLES | {"and"}
    return "N" if owned or grammar.is_adjective(before(words, index)) else ""


def _refuse(words: list[str], index: int) -> str:
    collects = after(words, index) in (
        "collection",
        "collectors",
        "bin",
        "bins",
        "dump",
        "heap",
        "disposal",
    )
    part = part_of_speech(words, index)
    return "N" if collects or (part != "V" and after(words, index) != "to" and index) else ""


_SPECIAL: dict[str, Chooser] = {
    "read": _read,
    "reread": _read,
    "lead": _lead,
    "live": _live,
    "lives": _lives,
    "bow": _bow,
    "close": _close,
    "minute": _minute,
    "row": _row,
    "rows": _company(_QUARREL, "X"),
    "bass": _bass,
    "wound": _wound,
    "dove": _dove,
    "sow": _sow,
    "used": _used,
    "tear": _tear,
    "wind": _wind,
    "winds": _winds,
    "learned": _company(_LEARNED, "A"),
    "blessed": _company(_HOLY, "A"),
    "aged": _aged,
    "does": _present_among(_DEER, "X"),
    "axes": _axes,
    "sake": _sake,
    "resume": _resume,
    "refuse": _refuse,
}
_NAMES: dict[str, Chooser] = {
    "polish": lambda words, index: "X" if not index and grammar.opens_noun(after(words, 0)) else "",
    "reading": _town,
    "nice": _town,
    "mobile": _town,
    "job": lambda words, index: "X" if index and words[index - 1] == "of" else "",
}

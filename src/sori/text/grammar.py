"""Guesses the part of speech of one word from its neighbours, for words read in several ways.

Closed classes do most of the work: a determiner before a word makes it a noun, a modal verb or a
subject makes it a verb. Open words are judged by their endings.
"""

from sori.text.wordlist import word_set

MARKS = frozenset((",", ".", ";", ":", "!", "?", ""))
DETERMINERS = word_set(
    "the a an my your his her its our their this these those some any no every each either neither "
    "another both all such whose several many few more most much what"
)
ARTICLES = word_set("the a an my your his her its our their this these those some any")
OBJECTS = word_set("me him them us it you myself himself herself itself themselves")
SUBJECTS = word_set("i you we they he she it who")
PLURAL_SUBJECTS = word_set("i you we they")
MODALS = word_set(
    "will would can could shall should may might must do does did don't doesn't didn't won't "
    "wouldn't can't cannot couldn't shouldn't mustn't let's please 'll i'll we'll you'll they'll "
    "he'll she'll it'll i'd we'd you'd they'd he'd she'd let lets "
    "dare needn't"
)
BE = word_set(
    "is are was were be been being am isn't aren't wasn't weren't i'm you're we're they're he's "
    "she's it's that's there's seem seems seemed become became becomes feel feels felt look looks "
    "looked remain remained"
)
HAVE = word_set("have has had having haven't hasn't hadn't i've we've you've they've")
PREPOSITIONS = word_set(
    "of in on at for with by from into under about after before between through without during "
    "over against like as per than towards toward within upon onto off behind beyond near since "
    "until despite across"
)
ADVERBS = word_set(
    "not never always often also still only just even ever already soon now then really quite "
    "rather once again usually sometimes seldom rarely simply"
)
DEGREES = word_set("very so too quite rather more most extremely fairly")
NUMBERS = word_set(
    "one two three four five six seven eight nine ten eleven twelve first second third last next "
    "hundred thousand"
)
_ADJECTIVE_ENDINGS = ("al", "ous", "ive", "ful", "ic", "able", "ible", "less", "ish", "ary", "ent")
_ADJECTIVES = word_set(
    "new old good bad big small great large long short high low early late young little own other "
    "same different public human local free full hard easy fast slow strong weak hot cold warm "
    "rich poor clear sharp sudden slight steep main major minor recent fresh frozen deep wide "
    "broad true false real fair just single double whole top bottom red white black blue green "
    "brown open final serious huge tiny strange strict dry wet heavy light dark bright loud quiet "
    "world state federal annual legal daily weekly monthly"
)
# "object to the plan" but "access to the record": what stands before "to" tells.
_NOUN_BEFORE_TO = word_set(
    "access according due addition contrast respect thanks prior next similar contribution damage "
    "key answer approach attention relation related response"
)


def before(words: list[str], index: int) -> str:
    """Return the nearest word before that is no adverb, "" at the edge of a phrase."""
    place = index - 1
    while place >= 0 and (words[place] in ADVERBS or _is_manner(words[place])):
        place -= 1
    return words[place] if place >= 0 and words[place] not in MARKS else ""


def _is_manner(word: str) -> bool:
    return word.endswith("ly") and len(word) > 4 and word not in ("only", "family", "early", "july")


def after(words: list[str], index: int, distance: int = 1) -> str:
    """Return a following word, "" beyond the edge of a phrase."""
    place = index + distance
    if place >= len(words) or any(word in MARKS for word in words[index + 1 : place + 1]):
        return ""
    return words[place]


def is_adjective(word: str) -> bool:
    """Return whether a word looks like an adjective."""
    return word in _ADJECTIVES or (len(word) > 4 and word.endswith(_ADJECTIVE_ENDINGS))


def is_plural(word: str) -> bool:
    """Return whether a word looks like a plural noun."""
    return word in ("people", "men", "women", "children") or (
        len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is", "'s"))
    )


def opens_noun(word: str) -> bool:
    """Return whether a noun phrase begins with this word."""
    return word in ARTICLES or word in OBJECTS or word in ("that", "all", "each", "every", "both")


def part_of_speech(words: list[str], index: int) -> str:
    """Return "N", "V", "A" or "" for the word at `index`, all words in small letters."""
    previous, following = before(words, index), after(words, index)
    raw = words[index - 1] if index else ""
    if previous == "to":
        return _after_to(words, index, following)
    if raw in ("that", "which", "what", "who"):
        return "V" if opens_noun(following) or raw in ("which", "who") or following == "to" else "N"
    if raw in DETERMINERS or raw.endswith("'s") and raw not in BE:
        return "A" if _is_attributive(words, index) else "N"
    if previous in MODALS or previous in SUBJECTS:
        return "V"
    if previous in BE:
        return "A"
    if raw in PREPOSITIONS:
        return "A" if _is_attributive(words, index) and not opens_noun(following) else "N"
    if raw in NUMBERS or is_adjective(raw) or raw in DEGREES:
        return "A" if _is_attributive(words, index) or raw in DEGREES else "N"
    if raw in ("and", "or"):
        return _coordinate(words, index)
    return _open(raw, following)


def _after_to(words: list[str], index: int, following: str) -> str:
    place = max(i for i in range(index) if words[i] == "to")
    if words[place - 1] in _NOUN_BEFORE_TO and place and not opens_noun(following):
        return "N"
    return "V"


def _coordinate(words: list[str], index: int) -> str:
    """Return what the other half of "x and y" is: a verb after "to", else a noun."""
    earlier = words[max(0, index - 6) : index - 1]
    following = after(words, index)
    if any(word in MODALS or word == "to" for word in earlier) and earlier[-1] not in MARKS:
        opening = earlier[-2] if len(earlier) > 1 else ""
        return "N" if opening in DETERMINERS and not opens_noun(following) else "V"
    return "V" if opens_noun(following) else "N"


def _open(raw: str, following: str) -> str:
    """Judge by the following word when nothing decisive stands before."""
    if opens_noun(following) and following != "that":
        return "V"
    if following.endswith("ed"):
        return "N"
    if is_plural(raw) and following not in ("of", "was", "is", "were", "are", ""):
        return "V"
    return "N"


def _is_attributive(words: list[str], index: int) -> bool:
    """Return whether a noun follows, which the word then describes."""
    following = after(words, index)
    closed = MARKS | DETERMINERS | PREPOSITIONS | MODALS | BE | HAVE | SUBJECTS | OBJECTS | ADVERBS
    return following not in closed | {"and", "or", "but", "to", "that", "which", "if", "when"}

"""Text in many languages: letters fold, quotations and abbreviations of each are known, and the laws hold for all."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.sentences import abbreviations_table, sentences
from pipeline.text import GROUPS, REPLACEMENTS, fit_caption, normalize_text, written_table
from tests.strategies import ASCII, VOCABULARY

PAGE = Path(__file__).parents[2] / "docs" / "text.md"
#: Drawn more often than chance would: marks, quotations, spaces, and letters of many scripts.
TRICKY = ".!?…\"'«»‹›“”„¿¡()[]—- \t\n\u00a0\u202f\u3000\u0301\u0323\u200dаБ日ßİıŁøﬁＡ５ǅ½№℃µ"
texts = st.text(st.one_of(st.sampled_from(TRICKY), st.sampled_from("abcMSzBpex. J"), st.characters()), max_size=80)
written = st.lists(texts, max_size=5)


@pytest.mark.parametrize(
    ("language", "text", "normal", "replaced"),
    [
        ("French", "Où naît l'œuf ? Là-bas, ça brûle : ŒUFS", "ou nait l'oeuf . la-bas, ca brule : oeufs", 8),
        ("German", "Größe: süße Äpfel, ÜBER, ẞ", "grosse: susse apfel, uber, ss", 4),
        ("Spanish", "¿Dónde? ¡Mañana, pingüino!", "donde. manana, pinguino!", 6),
        ("Italian", "Perché città più È", "perche citta piu e", 4),
        ("Portuguese", "Coração, mãe, ÁGUA, pôr", "coracao, mae, agua, por", 5),
        ("Polish", "Zażółć gęślą jaźń ŁÓDŹ", "zazolc gesla jazn lodz", 12),
        ("Czech", "Příliš žluťoučký kůň ĎÁBEL", "prilis zlutoucky kun dabel", 11),
        ("Turkish", "Işık İstanbul ığdır çöğüş", "isik istanbul igdir cogus", 11),
        ("Nordic", "Ærø, Åse, søster, Þór, Eyjafjörður", "aero, ase, soster, thor, eyjafjordur", 8),
        ("Vietnamese", "Đường phố Hà Nội, ươm ở đây", "duong pho ha noi, uom o day", 11),
        ("Maltese and Sami", "ħobż, ŋ, Ŧ", "hobz, ng, t", 4),
        ("ligatures", "ﬁne ﬂow eﬀort ĳs ǆ", "fine flow effort ijs dz", 2),
        ("full width", "Ａｂｃ１２３！？", "abc123!.", 8),
        ("combining", "e\u0301 x\u0302\u0323 o\u0308", "e x o", 4),
        ("Chinese", "龙 is a dragon, 猫！", "is a dragon, !", 3),
        ("Cyrillic", "медведь bear", "bear", 7),
    ],
)
def test_the_letters_of_each_language_fold_and_are_counted(
    language: str, text: str, normal: str, replaced: int
) -> None:
    found = normalize_text(text)
    assert (language, found.text, found.replaced) == (language, normal, replaced)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Il dit : « Oui ! »", 'il dit : "oui !"'),
        ("Il\u00a0dit\u202f: «\u202fOui\u202f!\u202f» Et", 'il dit: "oui!" et'),
        ("Er sagt: „Ja“, ‚nein‘.", "er sagt: \"ja\", 'nein'."),
        ("Er sagt »Ja« oft.", 'er sagt "ja" oft.'),
        ("Hon säger ”ja” och »nej».", 'hon sager "ja" och "nej".'),
        ("Mówi „tak”.", 'mowi "tak".'),
        ("Dice «sí» y ‹no›.", "dice \"si\" y 'no'."),
        ("It’s “so” – or—not…", 'it\'s "so" - or-not...'),
    ],
)
def test_quotations_of_each_language_become_plain_ones(text: str, normal: str) -> None:
    assert normalize_text(text).text == normal


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("2½ m, ¾ and 3\u20448", "2 1/2 m, 3/4 and 3/8"),
        ("№ 5, 20℃, 5 µm, ±3", "no. 5, 20 degrees c, 5 um, +/-3"),
        ("Pixel™ ≠ © 𝐁𝐨𝐥𝐝 Ⅷ", "pixel is not bold viii"),
    ],
)
def test_signs_keep_their_meaning(text: str, normal: str) -> None:
    assert normalize_text(text).text == normal


@pytest.mark.parametrize(
    "whole",
    [
        "It eats fruit, e.g. apples, i.e. what hangs low.",
        "It is No. 5 of J. R. R. Tolkien and of J. Smith.",
        "It met Prof. Oak and Gen. Stone vs. Mt. Moon.",
        "It eats fish, worms, etc. and sleeps.",
        "It waits... and then it runs.",
        "It waits… and then it runs.",
        "Voici M. Dupont avec Mme. Durand.",
        "Il mange des fruits, p. ex. des pommes.",
        "Er frisst Obst, z. B. Äpfel, d. h. alles.",
        "Er frisst Obst, z.B. Äpfel, ca. 5 kg bzw. mehr.",
        "Siehe S. 5 und Nr. 7 bei Hr. Braun.",
        "Come fruta, p. ej. manzanas, con el Sr. López.",
        "Mangia frutta, p. es. mele, con il Sig. Rossi.",
        "Come fruta, p. ex. maçãs, com o Sr. Silva.",
        "Je owoce, np. jabłka, m.in. gruszki, ok. 5 kg.",
        "Žere ovoce, např. jablka, tj. cca. 5 kg.",
        "Meyve yer, örn. elma, vb. şeyler.",
        "Den äter frukt, t.ex. äpplen, kl. 5.",
        "Den spiser frugt, f.eks. æbler, osv. hver dag.",
    ],
)
def test_abbreviations_initials_and_ellipses_end_no_sentence(whole: str) -> None:
    assert sentences(f"{whole} Then it runs.") == [whole, "Then it runs."]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Duerme. ¿Come? ¡Sí!", ["Duerme.", "¿Come?", "¡Sí!"]),
        ("¡Duerme!¿Come?", ["¡Duerme!", "¿Come?"]),
        ("Il dort. « Oui » dit-il. «Non».", ["Il dort.", "« Oui » dit-il.", "«Non»."]),
        ("« Il dort. » Puis il rit.", ["« Il dort. »", "Puis il rit."]),
        ("»Er ruht.« Dann läuft er. „Ja.“ Gut.", ["»Er ruht.«", "Dann läuft er.", "„Ja.“", "Gut."]),
        ("Er ruht. »Ja« sagt er.", ["Er ruht.", "»Ja« sagt er."]),
        ("It needs vitamin C. It says no. It rests.", ["It needs vitamin C.", "It says no.", "It rests."]),
        (
            "It eats worms etc. Then it rests... Then it runs.",
            ["It eats worms etc.", "Then it rests...", "Then it runs."],
        ),
        ("It weighs 5 M. Then 7.", ["It weighs 5 M.", "Then 7."]),
        ("...and so", ["...and so"]),
    ],
)
def test_sentences_end_where_readers_of_each_language_see_it(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


@given(texts)
@example("e\u0301\u0323 ¼ № ™ İ")
def test_normalising_twice_changes_nothing_and_replaces_nothing(text: str) -> None:
    once = normalize_text(text)
    again = normalize_text(once.text)
    assert (again.text, again.replaced) == (once.text, 0)
    VOCABULARY.encode_text(once.text)


@given(texts)
def test_what_is_replaced_is_counted_character_by_character(text: str) -> None:
    folded = unicodedata.normalize("NFC", text).casefold()
    without = [c for c in folded if not c.isspace() and c not in ASCII]
    spaces = [c for c in folded if c.isspace() and c not in ASCII]
    assert normalize_text(text).replaced == len(without)
    assert not set(spaces) & set(normalize_text(text).text)


@given(texts)
def test_splitting_loses_nothing_but_white_space(text: str) -> None:
    parts = sentences(text)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(part == part.strip() and part for part in parts)


@given(texts)
def test_replaced_of_a_text_is_the_sum_over_its_sentences(text: str) -> None:
    assert normalize_text(text).replaced == sum(normalize_text(part).replaced for part in sentences(text))


@given(written, st.integers(1, 120), st.integers(1, 200))
def test_a_caption_is_the_prefix_of_whole_sentences_nearest_to_its_budget(
    paragraphs: list[str], budget: int, limit: int
) -> None:
    found = fit_caption(paragraphs, budget, limit)
    normal = [normalize_text(part) for paragraph in paragraphs for part in sentences(paragraph)]
    spoken = [part.text for part in normal if part.text]
    prefixes = [" ".join(spoken[:count]) for count in range(1, len(spoken) + 1)]
    possible = [prefix for prefix in prefixes if len(prefix) <= limit]
    nearest = min(possible, key=lambda prefix: (abs(len(prefix) - budget), -len(prefix)), default="")
    assert found.text == nearest


@given(written, st.integers(1, 120))
def test_replaced_of_a_caption_is_the_sum_over_its_sentences_and_those_that_left_nothing(
    paragraphs: list[str], budget: int
) -> None:
    found = fit_caption(paragraphs, budget, 1000)
    taken, total = "", 0
    for part in (normalize_text(part) for paragraph in paragraphs for part in sentences(paragraph)):
        if part.text and taken == found.text:
            break
        taken, total = f"{taken} {part.text}".strip(), total + part.replaced
    assert (taken, total) == (found.text, found.replaced)


@given(st.text(ASCII + "ABCXYZ?&#@ \n", max_size=200))
def test_plain_english_is_read_alike_with_and_without_a_foreign_letter_behind_it(text: str) -> None:
    """Plain text takes a quicker way: a foreign letter forces the other."""
    plain, other = normalize_text(text), normalize_text(f"{text} é")
    assert f"{plain.text} e".strip() == other.text
    assert plain.replaced + 1 == other.replaced


def test_the_table_is_written_for_lower_case_composed_characters() -> None:
    assert all(unicodedata.normalize("NFC", c).casefold() == c for c in REPLACEMENTS)
    assert sum(map(len, GROUPS.values())) == len(REPLACEMENTS)


def test_the_page_for_readers_holds_the_tables_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for table in (written_table(), abbreviations_table()):
        assert table in page, f"docs/text.md is behind the code: put this table there.\n{table}"

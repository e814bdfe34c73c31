"""Compose a text: choose templates for each section of its layout, under headings, in its author's manner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from clinical_ner.core.params import NotesParams
from clinical_ner.core.span import DISEASE
from clinical_ner.core.text import recased
from clinical_ner.notes.draws import Draws
from clinical_ner.notes.filling import Filling, fits
from clinical_ner.notes.measurements import told_of_record
from clinical_ner.notes.noise import wrapped
from clinical_ner.notes.subjects import Subject
from clinical_ner.notes.syntax import Choice, Piece, Template
from clinical_ner.notes.templates import (
    CLINICAL,
    PERSONAL,
    Author,
    Part,
    authors,
    headings,
    layout,
    literature,
    templates,
)
from clinical_ner.notes.terms import Lexis
from clinical_ner.notes.writing import Page

TITLE = "title"  # stands on a line of its own
ADULT_SLOTS = frozenset({"occupation", "smoking", "alcohol", "etoh", "pack_years", "honorific"})
DATED_SLOTS = frozenset(
    {"age", "note_date", "past_date", "year", "provider", "weeks"}
)  # what is not true of another day
BULLETS = ("- ", "- ", "* ", "• ", "{}. ", "{}. ", "{}) ", "# ", "#{}: ")
GAPS = ("\n", "\n", "\n\n")
NARROW, WIDE = 68, 84  # columns at which lines are wrapped
MIXED = 3  # sentences in a row whose style is drawn one by one
STUDY_HEADINGS = {"results": "findings"}  # of what is called otherwise in a note about a patient
ALIKE = dict.fromkeys(("regimen", "medication"), ("regimen", "medication"))  # slots that the same treatments fill
TRIES = 12  # templates drawn at random before the first that is eligible is taken
REPEATED = ("pmh", "medications", "family", "social", "allergies", "hpi")  # what copy-forward takes over


class Manner(NamedTuple):
    """How one note is laid out: drawn once for all its sections."""

    author: Author
    headed: bool
    upper: bool
    short: bool
    inline: bool
    own_lines: bool  # each sentence on a line of its own
    bullet: str
    gap: str  # between sections


class Earlier(NamedTuple):
    """Another note about the same person."""

    subject: Subject
    page: Page


class Draft(NamedTuple):
    """A text under construction with what it is made of."""

    page: Page
    subject: Subject
    lexis: Lexis
    draws: Draws
    filling: Filling


def compose(
    kind: str, subject: Subject, lexis: Lexis, draws: Draws, params: NotesParams, earlier: Sequence[Earlier] = ()
) -> Page:
    """A text of this kind about the subject, with its gold mentions, segments, sections and relations."""
    if kind in literature():
        return _literature(kind, subject, lexis, draws, params)
    return _clinical(kind, subject, lexis, draws, params, earlier)


# --- literature -----------------------------------------------------------------------------------
def _literature(kind: str, subject: Subject, lexis: Lexis, draws: Draws, params: NotesParams) -> Page:
    page = Page(draws, params.typo_rate, params.entity_typo_rate)
    draft = Draft(page, subject, lexis, draws, Filling(subject, lexis, draws))
    headed, own_lines, upper = draws.chance(literature()[kind].headed), draws.chance(0.5), draws.chance(0.6)
    after_title = False
    for part in layout(kind):
        chosen = _chosen(draft, (kind,), part.section, draws.between(part.low, part.high))
        if chosen:
            page.space("\n" if own_lines or after_title else " ")
            start, after_title = page.length, part.section == TITLE
            if headed:
                _write_literature_heading(draft, kind, part.section, upper)
            _write_sentences(draft, chosen, kind, " ")
            page.close_block(start, part.section)
    return page


def _write_literature_heading(draft: Draft, kind: str, section: str, upper: bool) -> None:
    heading = headings().get(section if literature()[kind].of_one else STUDY_HEADINGS.get(section, section))
    if heading:
        words = draft.draws.pick(heading.full)
        draft.page.heading(f"{words.upper() if upper else words}: ", heading.section)


# --- notes about patients -------------------------------------------------------------------------
def _clinical(
    kind: str, subject: Subject, lexis: Lexis, draws: Draws, params: NotesParams, earlier: Sequence[Earlier]
) -> Page:
    author = authors()[draws.weighted(_weights())]
    page = Page(draws, params.typo_rate * author.typos, params.entity_typo_rate * author.typos)
    draft = Draft(page, subject, lexis, draws, Filling(subject, lexis, draws, shorthand=author.shorthand))
    manner = _manner(author, draws)
    source = _source(draft, earlier, author)
    for part in layout(kind):
        if not (source and _repeats(draft, source, part, manner)):
            _write_part(draft, part, manner)
    page.relate_to_record()
    page.shown = recased(str.upper, page.text) if draws.chance(author.capitals) else page.text
    if draws.chance(author.wrapped):  # after the capitals: a line goes on with a lower-case word
        page.shown = wrapped(page.shown, draws.between(NARROW, WIDE), page.mentions)
    return page


@cache
def _weights() -> dict[str, float]:
    return {name: author.weight for name, author in authors().items()}


def _manner(author: Author, draws: Draws) -> Manner:
    return Manner(
        author,
        headed=draws.chance(author.headings),
        upper=draws.chance(author.upper),
        short=draws.chance(author.short),
        inline=draws.chance(author.inline),
        own_lines=draws.chance(author.lines),
        bullet=draws.pick(BULLETS),
        gap=draws.pick(GAPS),
    )


def _source(draft: Draft, earlier: Sequence[Earlier], author: Author) -> Page | None:
    """An earlier note that what has not changed is copied from: nothing has changed in the record since."""
    if not author.repeats:
        return None
    fit = [e.page for e in earlier if draft.subject.unchanged_since(e.subject)]
    return draft.draws.pick(fit) if fit else None


def _repeats(draft: Draft, source: Page, part: Part, manner: Manner) -> bool:
    """Whether the part was copied from the earlier note."""
    if part.section not in REPEATED or not draft.draws.chance(manner.author.repeats):
        return False
    block = next((block for block in source.blocks if block.name == part.section), None)
    if block is None or any(s.name in _dated() for s in source.segments if block.start <= s.start < block.end):
        return False
    draft.page.space(manner.gap)
    draft.page.copy(source, block)
    return True


@cache
def _dated() -> frozenset[str]:
    """The templates that say what is not as true on a later day."""
    found = (t for style in CLINICAL for section in templates(style).values() for t in section)
    dated = DATED_SLOTS | told_of_record()
    return frozenset(template.template_id for template in found if template.names & dated)


def _write_part(draft: Draft, part: Part, manner: Manner) -> None:
    page, draws, author = draft.page, draft.draws, manner.author
    listed = bool(part.items) and draws.chance(author.listed)
    styles = tuple(CLINICAL[draws.chance(author.shorthand)] for _ in range(MIXED))
    whole = bool(draft.subject.counts.get(part.whole))
    if whole:
        chosen = list(_items(draft, styles, part.items, part.high_items if draws.between(part.low, part.high) else 0))
    elif listed and not part.whole:
        chosen = list(_items(draft, styles, part.items, draws.between(part.low_items, part.high_items)))
    else:
        chosen, listed = _chosen(draft, styles, part.section, _sentences(part, author, draws)), False
    if not chosen:
        return
    page.space(manner.gap)
    start = page.length
    _write_heading(draft, part, manner, listed)
    if listed:
        _write_items(draft, chosen, manner.bullet)
    elif whole:
        _write_items(draft, chosen, "", "; ")
    else:
        _write_sentences(draft, chosen, CLINICAL[0], "\n" if manner.own_lines else " ")
    page.close_block(start, part.section)


def _sentences(part: Part, author: Author, draws: Draws) -> int:
    """How many sentences a part has: where there may be several, as the author is wordy."""
    count = draws.between(part.low, part.high)
    return max(part.low, round(count * author.sentences)) if part.high > 1 else count


def _write_heading(draft: Draft, part: Part, manner: Manner, listed: bool) -> None:
    heading = headings().get(part.section)
    if manner.headed and heading:
        words = draft.draws.pick(heading.short if manner.short else heading.full)
        after = " " if manner.inline and not listed else "\n"
        draft.page.heading(f"{words.upper() if manner.upper else words}:{after}", heading.section)


def _items(draft: Draft, styles: Sequence[str], section: str, count: int) -> Iterator[Template]:
    """Templates of items, also the same again, as long as the record has what none before has named."""
    left = Counter(draft.subject.counts)
    for number in range(count):
        template = _draw(draft, _pool(draft, styles[number % len(styles)], section), left)
        if template is None:
            return
        for name, times in template.counts:
            for same in ALIKE.get(name, (name,)):
                left[same] -= times
        yield template


def _write_items(draft: Draft, chosen: Sequence[Template], bullet: str, joint: str = "\n") -> None:
    for number, template in enumerate(chosen, start=1):
        if number > 1:
            draft.page.write(joint)
        draft.page.write(bullet.format(number))
        _write(draft, template, of_subject=True, anew=number == 1)


# --- sentences ------------------------------------------------------------------------------------
def _chosen(draft: Draft, styles: Sequence[str], section: str, count: int) -> list[Template]:
    """So many different templates of the section that can be said of the subject, or fewer if there are not enough."""
    chosen: list[Template] = []
    pools = [_pool(draft, style, section) for style in styles[:count]]
    for number in range(count):
        template = _draw(draft, pools[number % len(pools)], draft.subject.counts, chosen)
        if template is None:
            break
        chosen.append(template)
    return chosen


def _pool(draft: Draft, style: str, section: str) -> tuple[Template, ...]:
    return fitting(style, section, draft.subject.sex, not draft.subject.adult, draft.subject.expecting)


def _draw(
    draft: Draft, pool: Sequence[Template], left: Mapping[str, int], but: Sequence[Template] = ()
) -> Template | None:
    """An eligible template of the pool that is not among those taken."""
    pick = draft.draws.pick
    for _ in range(TRIES if pool else 0):
        template = pick(pool)
        if template not in but and (not template.asks or _is_eligible(draft, template, left)):
            return template
    eligible = [template for template in pool if template not in but and _is_eligible(draft, template, left)]
    return draft.draws.pick(eligible) if eligible else None


@cache
def fitting(style: str, section: str, sex: str, child: bool, expecting: bool) -> tuple[Template, ...]:
    """The templates of the section whose own words can be said of such a person."""
    content = templates(style)
    return tuple(
        template
        for template in (content if section in content else templates(CLINICAL[0]))[section]
        if not (child and template.names & ADULT_SLOTS)
        and not (
            speaks_of_one(template, style)
            and not all(fits(words, sex, child, expecting) for words in template.literals)
        )
    )


@cache
def speaks_of_one(template: Template, style: str) -> bool:
    """Whether the sentence is about the subject; those of studies are about many people."""
    return style in CLINICAL or literature()[style].of_one or not template.names.isdisjoint(PERSONAL)


def _is_eligible(draft: Draft, template: Template, left: Mapping[str, int]) -> bool:
    """Whether the record has what the template asks of it, and none of the diseases that the template itself names."""
    subject = draft.subject
    for name, count in template.counts:
        if left.get(name, 0) < count:
            return False
    for name, wants, count in template.demands:
        if len(subject.cases_for(name, wants)) < count:
            return False
    if template.none_of and any(map(subject.counts.get, template.none_of)):
        return False
    if template.needs and not all(map(subject.knows, template.needs)):
        return False
    return not template.diseases or all(
        draft.lexis.concept_of(DISEASE, words) not in subject.record for words in template.diseases
    )


def _write_sentences(draft: Draft, chosen: Sequence[Template], style: str, joint: str) -> None:
    for place, template in enumerate(chosen):
        if place:
            draft.page.write(joint)
        _write(draft, template, of_subject=speaks_of_one(template, style))


def _write(draft: Draft, template: Template, *, of_subject: bool, anew: bool = True) -> None:
    start = draft.page.length
    draft.filling.begin(template, of_subject=of_subject, anew=anew)
    _write_pieces(draft.page, template.pieces, draft.filling)
    draft.page.close(start, template.template_id)


def _write_pieces(page: Page, pieces: tuple[Piece, ...], filling: Filling) -> None:
    literal, fill = page.literal, filling.fill
    for piece in pieces:
        if isinstance(piece, str):
            literal(piece)
        elif isinstance(piece, Choice):
            _write_pieces(page, filling.choose(piece), filling)
        else:
            text, label, concept_id, assertion, treats = fill(piece)
            if label:
                page.mention(text, label, concept_id, assertion, piece.link + piece.pairs, treats)
            else:
                page.write(text)

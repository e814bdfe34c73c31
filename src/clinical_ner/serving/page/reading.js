/* The note with its entities, one block of lines after the other, so that a correction draws few of them anew.
   Every character of the note is in a text node, in order, and nothing else is: the place of a text node in the page is
   a place in the note. Tags and handles are drawn by the style sheet. */

import { isChanged } from "./corrections.js";
import { element } from "./elements.js";
import { probability, said } from "./names.js";

const LONG_LINE = 4_000; // UTF-16 units: to lay one out anew takes a noticeable time

export class Reading {
  #root;
  #note = null;
  #blocks = []; // {key, element, start}, start in UTF-16 units
  #marks = new Map(); // of the shown entities, by their ids

  constructor(root) {
    this.#root = root;
  }

  /** Show these entities of the note. */
  draw(note, entities) {
    if (note !== this.#note) this.#clear(note);
    const kept = new Map(this.#blocks.map((block) => [block.key, block]));
    const blocks = this.#divide(entities).map((block) => kept.get(block.key) ?? this.#drawBlock(block));
    replaceChanged(this.#root, this.#blocks, blocks);
    this.#blocks = blocks;
    this.#marks = new Map(Array.from(this.#root.querySelectorAll(".entity"), (mark) => [Number(mark.dataset.id), mark]));
  }

  mark(id) {
    return this.#marks.get(id);
  }

  /** Let this entity look chosen, with handles at its ends, and no other. */
  choose(id) {
    for (const mark of this.#root.querySelectorAll("[aria-current]")) {
      mark.removeAttribute("aria-current");
      mark.querySelectorAll(".handle").forEach((handle) => handle.remove());
    }
    const mark = this.mark(id);
    if (!mark) return;
    mark.setAttribute("aria-current", "true");
    mark.prepend(element("span", { className: "handle at-start" }));
    mark.append(element("span", { className: "handle at-end" }));
  }

  /** The span that the reader selected in the note, without white space around it, or null. */
  selected() {
    const selection = getSelection();
    if (selection.isCollapsed || !this.#root.contains(selection.anchorNode)) return null;
    const range = selection.getRangeAt(0);
    const start = this.#position(range.startContainer, range.startOffset);
    const end = this.#root.contains(range.endContainer)
      ? this.#position(range.endContainer, range.endOffset)
      : this.#note.length;
    return start < end ? this.#note.trimmed(start, end) : null;
  }

  /** Select this span as if by mouse, and bring it into view. */
  select({ start, end }) {
    const [from, to] = [this.#place(this.#note.unit(start)), this.#place(this.#note.unit(end), true)];
    getSelection().setBaseAndExtent(from.node, from.offset, to.node, to.offset);
    from.node.parentElement.scrollIntoView({ block: "nearest" });
    const box = getSelection().getRangeAt(0).getBoundingClientRect();
    const view = this.#root.getBoundingClientRect();
    if (box.bottom > view.bottom || box.top < view.top) this.#root.scrollTop += box.top - view.top - view.height / 3;
  }

  /** The position in the note at this point of the window, or null. */
  positionAt(x, y) {
    const place = document.caretPositionFromPoint?.(x, y);
    const range = place ? null : document.caretRangeFromPoint?.(x, y); // Safari
    const [node, offset] = place ? [place.offsetNode, place.offset] : [range?.startContainer, range?.startOffset];
    return node && this.#root.contains(node) && node !== this.#root ? this.#position(node, offset) : null;
  }

  /** The position at the top of what is in view. */
  firstVisible() {
    const { left, top } = this.#root.getBoundingClientRect();
    return this.positionAt(left + 24, top + 24) ?? 0;
  }

  #clear(note) {
    this.#root.replaceChildren();
    this.#root.scrollTop = 0;
    this.#note = note;
    this.#blocks = [];
  }

  /** The lines of the note in blocks that no entity reaches out of. */
  #divide(entities) {
    const { text } = this.#note;
    const blocks = [];
    let [start, next] = [0, 0];
    while (start < text.length) {
      const inside = [];
      let end = blockEnd(text, start, start);
      while (next < entities.length && this.#note.unit(entities[next].start) < end) {
        end = Math.max(end, blockEnd(text, start, this.#note.unit(entities[next].end) - 1));
        inside.push(entities[next++]);
      }
      blocks.push({ start, end, inside, key: [start, end, ...inside.map(lookOf)].join() });
      start = end;
    }
    return blocks;
  }

  #drawBlock({ key, start, end, inside }) {
    const block = element("div", { className: "lines" });
    let done = start;
    for (const entity of inside) {
      const [from, to] = [this.#note.unit(entity.start), this.#note.unit(entity.end)];
      block.append(this.#note.text.slice(done, from), drawMark(entity));
      done = to;
    }
    block.append(this.#note.text.slice(done, end));
    return { key, element: block, start };
  }

  /** The code point at a place of the page. */
  #position(node, offset) {
    const within = this.#blocks.find(({ element }) => element.contains(node));
    if (!within) return node === this.#root ? this.#note.point(this.#blocks[offset]?.start ?? this.#note.text.length) : 0;
    const before = document.createRange();
    before.setStart(within.element, 0);
    before.setEnd(node, offset);
    return this.#note.point(within.start + before.toString().length);
  }

  /** The place in the page of a unit of the note: where the one before it ends, or where it begins itself. */
  #place(unit, isEnd = false) {
    const block = this.#blocks.findLast(({ start }) => (isEnd ? start < unit : start <= unit));
    const texts = document.createTreeWalker(block.element, NodeFilter.SHOW_TEXT);
    let begin = block.start;
    for (let node = texts.nextNode(); node; begin += node.length, node = texts.nextNode()) {
      if (unit < begin + node.length || (isEnd && unit === begin + node.length)) return { node, offset: unit - begin };
    }
    return { node: block.element, offset: block.element.childNodes.length };
  }
}

/** Where the line of this unit ends; one that is far too long, for the block that starts here, after its next space. */
function blockEnd(text, start, unit) {
  const newline = text.indexOf("\n", unit);
  const end = newline < 0 ? text.length : newline + 1;
  if (end - start <= LONG_LINE) return end;
  const space = text.indexOf(" ", Math.max(unit, start + LONG_LINE / 2));
  return space < 0 || space >= end ? end : space + 1;
}

/** What an entity looks like: blocks that look alike are not drawn again. */
function lookOf(entity) {
  return [entity.id, entity.start, entity.end, entity.label, entity.assertion, entity.confidence].join("/");
}

function drawMark(entity) {
  const [label, assertion] = [said(entity.label), said(entity.assertion)];
  const mark = element("span", { className: `entity ${label} ${assertion}`, tabIndex: -1 }, entity.text);
  mark.classList.toggle("corrected", isChanged(entity));
  mark.setAttribute("role", "button");
  mark.setAttribute("aria-label", [entity.text, label, assertion, isChanged(entity) && "corrected"].filter(Boolean).join(", "));
  mark.dataset.id = entity.id;
  mark.dataset.confidence = probability(entity.confidence);
  return mark;
}

/** Let the children be those of `next`; those that lead and end both lists stay where they are. */
function replaceChanged(parent, old, next) {
  let [first, cut] = [0, 0];
  const most = Math.min(old.length, next.length);
  while (first < most && old[first] === next[first]) first++;
  while (cut < most - first && old[old.length - 1 - cut] === next[next.length - 1 - cut]) cut++;
  const behind = cut ? next[next.length - cut].element : null;
  const stays = new Set(next.slice(first, next.length - cut));
  for (const block of old.slice(first, old.length - cut)) if (!stays.has(block)) block.element.remove();
  for (const { element } of next.slice(first, next.length - cut)) parent.insertBefore(element, behind);
}

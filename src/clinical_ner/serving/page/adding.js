/* A new entity: words that the reader selects by mouse, by touch or word by word with the keyboard. */

import { $ } from "./elements.js";
import { LABELS } from "./names.js";

const SETTLED = 150; // milliseconds after the selection changed last

export class Adding {
  #reading;
  #note;
  #add;
  #isByKeyboard = false;
  span = null; // what would be added

  /** `note` gives the note, `add` takes a span and a label. */
  constructor(reading, note, add) {
    this.#reading = reading;
    this.#note = note;
    this.#add = add;
    let [timer, isPressed] = [0, false];
    const follow = () => {
      clearTimeout(timer);
      timer = setTimeout(() => isPressed || this.#follow(), SETTLED);
    };
    document.addEventListener("selectionchange", follow);
    $("note").addEventListener("pointerdown", () => {
      isPressed = true;
      this.#isByKeyboard = false;
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      addEventListener(kind, () => {
        isPressed = false;
        follow();
      });
    }
    $("adding").addEventListener("pointerdown", (event) => event.preventDefault()); // the selection stays
    $("adding").addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button) this.#finish(button.dataset.label);
    });
    $("adding").addEventListener("keydown", (event) => this.press(event) && event.preventDefault());
  }

  /** Select the first word after this position, to go on from there by keyboard. */
  begin(position) {
    const { words } = this.#note();
    const word = words[Math.min(this.#note().wordAt(position), words.length - 1)];
    if (word) this.#show({ start: word[0], end: word[1] }, true);
  }

  leave() {
    this.span = null;
    this.#isByKeyboard = false;
    $("adding").hidden = true;
  }

  /** Whether the key means something while words are selected. */
  press({ key, shiftKey }) {
    const label = LABELS.find((name) => name[0] === key.toUpperCase());
    if (label) return this.#finish(label), true;
    if (key === "Escape") return this.#finish(null), true;
    if (!this.#isByKeyboard || !key.startsWith("Arrow")) return false;
    const moved = shiftKey ? this.#resized(key) : this.#moved(key);
    if (moved) this.#show(moved, true);
    return true;
  }

  #finish(label) {
    const { span } = this;
    this.leave();
    getSelection().removeAllRanges();
    if (label && span) this.#add(span, label);
    else $("note").focus({ preventScroll: true });
  }

  /** Take what is selected in the note now. */
  #follow() {
    if (this.#isByKeyboard || !this.#note() || $("result").hidden) return;
    const span = this.#reading.selected();
    if (span) this.#show(span, false);
    else this.leave();
  }

  #show(span, isByKeyboard) {
    this.span = span;
    this.#isByKeyboard = isByKeyboard;
    if (isByKeyboard) this.#reading.select(span);
    const bar = $("adding");
    bar.hidden = false;
    const { bottom, left } = getSelection().getRangeAt(0).getBoundingClientRect();
    const panel = bar.offsetParent.getBoundingClientRect();
    const note = $("note").getBoundingClientRect();
    bar.style.top = `${Math.min(bottom, note.bottom) - panel.top + 6}px`;
    bar.style.left = `${Math.max(8, Math.min(left - panel.left, panel.width - bar.offsetWidth - 8))}px`;
  }

  #resized(key) {
    const { start, end } = this.span;
    const direction = { ArrowRight: 1, ArrowLeft: -1 }[key] ?? 0;
    const moved = direction ? this.#note().step("end", end, direction) : end;
    return moved > start ? { start, end: moved } : null;
  }

  #moved(key) {
    const note = this.#note();
    const at = note.wordAt(this.span.start);
    const line = (unit) => note.wordAt(note.point(unit));
    const unit = note.unit(this.span.start);
    const next = {
      ArrowRight: () => at + 1,
      ArrowLeft: () => at - 1,
      ArrowDown: () => line(after(note.text, unit)),
      ArrowUp: () => line(before(note.text, unit)),
    }[key]();
    const word = note.words[next];
    return word && { start: word[0], end: word[1] };
  }
}

/** Where the next line begins, or the end of the text. */
function after(text, unit) {
  const newline = text.indexOf("\n", unit);
  return newline < 0 ? text.length : newline + 1;
}

/** Where the last line with words before this one begins. */
function before(text, unit) {
  const earlier = text.slice(0, text.lastIndexOf("\n", unit - 1) + 1).trimEnd();
  return earlier.lastIndexOf("\n") + 1;
}

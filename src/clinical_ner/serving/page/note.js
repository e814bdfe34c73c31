/* A note and its positions. The API counts Unicode code points, JavaScript UTF-16 units: `point` and `unit`. */

const WORDS = /[\p{L}\p{N}][\p{L}\p{M}\p{N}]*|[^\s\p{L}\p{N}]+/gu; // a word, or the signs between words
const BEYOND_BASIC_PLANE = /[\u{10000}-\u{10FFFF}]/u;

export class Note {
  #unitOf; // of each code point and of the end; null if every code point is one unit
  #words = null;

  constructor(text) {
    this.text = text;
    this.#unitOf = BEYOND_BASIC_PLANE.test(text) ? unitsOfPoints(text) : null;
    this.length = this.#unitOf ? this.#unitOf.length - 1 : text.length;
  }

  /** The UTF-16 unit at which this code point begins. */
  unit(point) {
    return this.#unitOf ? this.#unitOf[point] : point;
  }

  /** The code point at this UTF-16 unit; a unit within a pair of surrogates is of the pair. */
  point(unit) {
    return this.#unitOf ? last(this.#unitOf, (begin) => begin <= unit) : unit;
  }

  slice(start, end) {
    return this.text.slice(this.unit(start), this.unit(end));
  }

  /** The words as [start, end] in order, in code points. */
  get words() {
    this.#words ??= Array.from(this.text.matchAll(WORDS), (found) => [
      this.point(found.index),
      this.point(found.index + found[0].length),
    ]);
    return this.#words;
  }

  /** The place in `words` of the first that ends after this position; `words.length` if none does. */
  wordAt(position) {
    return last(this.words, ([, end]) => end <= position) + 1;
  }

  /** Where an edge ("start" or "end") comes to lie if it moves by one word; the same position if there is none. */
  step(edge, position, direction) {
    const edges = edge === "start" ? 0 : 1;
    const before = last(this.words, (word) => word[edges] < position);
    const behind = last(this.words, (word) => word[edges] <= position) + 1;
    return this.words[direction < 0 ? before : behind]?.[edges] ?? position;
  }

  /** The nearest place where a word starts or ends. */
  nearest(edge, position) {
    const edges = edge === "start" ? 0 : 1;
    const at = last(this.words, (word) => word[edges] <= position);
    const near = [this.words[at], this.words[at + 1]].filter(Boolean).map((word) => word[edges]);
    return near.reduce((best, one) => (Math.abs(one - position) < Math.abs(best - position) ? one : best), near[0]);
  }

  /** The span without white space at its ends, or null if there is nothing else in it. */
  trimmed(start, end) {
    const words = this.slice(start, end); // white space is of the basic plane: one unit, one code point
    const [left, right] = [words.length - words.trimStart().length, words.length - words.trimEnd().length];
    return words.trim() ? { start: start + left, end: end - right } : null;
  }
}

function unitsOfPoints(text) {
  const units = [];
  let unit = 0;
  for (const character of text) {
    units.push(unit);
    unit += character.length;
  }
  return Uint32Array.from([...units, unit]);
}

/** The last place in a list that is first true, then false; -1 if it is never true. */
function last(list, isTrue) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isTrue(list[middle])) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

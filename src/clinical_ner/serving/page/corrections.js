/* What a reader makes of the entities: every function returns a new list in the order of the note, or the same list if
   nothing changes. An entity is what the API found, with a number (`id`) and `found`, the API's own one, or null. */

/** The entities of an answer, not corrected yet. */
export function asFound(entities) {
  return entities.map((found, id) => ({ ...found, id, found }));
}

/** With an entity of this span; those that it overlaps go, and the first of them gives it its assertion. */
export function add(entities, note, { start, end }, label) {
  const overlapped = entities.filter((entity) => entity.start < end && start < entity.end);
  const id = 1 + entities.reduce((most, entity) => Math.max(most, entity.id), -1);
  const entity = {
    id,
    start,
    end,
    label,
    text: note.slice(start, end),
    confidence: null,
    assertion: overlapped[0]?.assertion ?? "present",
    trigger: overlapped[0]?.trigger ?? null,
    section: overlapped[0]?.section ?? null,
    concept: null,
    found: null,
  };
  return inOrder([...entities.filter((one) => !overlapped.includes(one)), entity]);
}

export function remove(entities, id) {
  return entities.filter((entity) => entity.id !== id);
}

/** With another label: what was said of the words under the old one does not hold. */
export function relabel(entities, id, label) {
  return change(entities, id, (entity) => (entity.label === label ? entity : restored({ ...entity, label })));
}

export function judge(entities, id, assertion) {
  return change(entities, id, (entity) =>
    entity.assertion === assertion ? entity : restored({ ...entity, assertion, trigger: null }),
  );
}

/** With other ends, as far as its neighbours and the note let it; it keeps at least one character. */
export function move(entities, note, id, start, end) {
  const at = entities.findIndex((entity) => entity.id === id);
  if (at < 0) return entities;
  const entity = entities[at];
  const least = entities[at - 1]?.end ?? 0;
  const most = entities[at + 1]?.start ?? note.length;
  const from = start === entity.start ? start : clamp(start, least, entity.end - 1);
  const to = end === entity.end ? end : clamp(end, from + 1, most);
  const words = note.slice(from, to);
  if (!words.trim() || (from === entity.start && to === entity.end)) return entities;
  return change(entities, id, () => restored({ ...entity, start: from, end: to, text: words }));
}

/** How many were added, removed and changed. */
export function changes(entities, found) {
  const kept = entities.filter((entity) => entity.found);
  return {
    added: entities.length - kept.length,
    removed: found - kept.length,
    changed: kept.filter(isChanged).length,
  };
}

export function isChanged({ found, ...entity }) {
  return !found || ["start", "end", "label", "assertion"].some((name) => entity[name] !== found[name]);
}

/** The entities as the API states them. */
export function plain(entities) {
  return entities.map(({ id, found, ...entity }) => entity);
}

/** The past and the future of a list. */
export class History {
  #past = [];
  #future = [];

  constructor(present) {
    this.present = present;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /** Whether this is something new. */
  commit(next) {
    if (next === this.present) return false;
    this.#past.push(this.present);
    this.#future = [];
    this.present = next;
    return true;
  }

  undo() {
    if (!this.canUndo) return false;
    this.#future.push(this.present);
    this.present = this.#past.pop();
    return true;
  }

  redo() {
    if (!this.canRedo) return false;
    this.#past.push(this.present);
    this.present = this.#future.pop();
    return true;
  }
}

function change(entities, id, changed) {
  const next = entities.map((entity) => (entity.id === id ? changed(entity) : entity));
  return next.some((entity, at) => entity !== entities[at]) ? inOrder(next) : entities;
}

/** Confidence and concept are of the words and label that the model found: with others they are not known. */
function restored(entity) {
  const { found } = entity;
  const isSame = found && ["start", "end", "label"].every((name) => entity[name] === found[name]);
  const trigger = found && entity.assertion === found.assertion ? found.trigger : null;
  return { ...entity, trigger, confidence: isSame ? found.confidence : null, concept: isSame ? found.concept : null };
}

function inOrder(entities) {
  return [...entities].sort((one, other) => one.start - other.start || one.end - other.end);
}

function clamp(value, least, most) {
  return Math.min(Math.max(value, least), most);
}

/* Corrections of the chosen entity, and new ones: each a state of the history, which undo goes back in. */

import { Adding } from "./adding.js";
import * as corrections from "./corrections.js";
import { $ } from "./elements.js";
import { counted, said } from "./names.js";
import { goTo, say, show, showChosen } from "./screen.js";
import { chosenEntity, entities, isShown, reading, session } from "./session.js";

export const adding = new Adding(reading, () => session.note, addEntity);

/** Take these entities for the right ones now; what had the focus keeps it. */
function correct(next, message) {
  if (!session.history.commit(next)) return;
  $("with-spans").checked = true;
  showKeepingFocus();
  say(message);
}

function showKeepingFocus() {
  const wasInNote = $("note").contains(document.activeElement);
  show();
  if (wasInNote) (reading.mark(session.chosen) ?? $("note")).focus({ preventScroll: true });
}

function addEntity(span, label) {
  const next = corrections.add(entities(), session.note, span, label);
  const replaced = entities().length + 1 - next.length;
  session.chosen = next.find(({ start, end }) => start === span.start && end === span.end).id;
  correct(next, `Added as ${said(label)}${replaced ? `, instead of ${counted(replaced, "entity", "entities")}` : ""}.`);
  goTo(session.chosen);
}

export function removeChosen() {
  const entity = chosenEntity();
  if (!entity) return;
  const shown = entities().filter(isShown);
  const at = shown.indexOf(entity);
  session.chosen = (shown[at + 1] ?? shown[at - 1])?.id ?? null;
  correct(corrections.remove(entities(), entity.id), "Removed. Undo brings it back.");
}

export function relabelChosen(label) {
  correct(corrections.relabel(entities(), session.chosen, label), `Label: ${said(label)}.`);
}

export function judgeChosen(assertion) {
  correct(corrections.judge(entities(), session.chosen, assertion), `Assertion: ${said(assertion)}.`);
}

export function moveChosen(start, end) {
  const isMeant = Number.isInteger(start) && Number.isInteger(end);
  const next = isMeant ? corrections.move(entities(), session.note, session.chosen, start, end) : entities();
  if (next === entities()) say("It stays: an end cannot leave the note or reach into another entity.");
  correct(next, `Now: ${next.find(({ id }) => id === session.chosen)?.text}`);
  showChosen(); // a field may hold what the note does not allow
}

export function moveEdge(edge, direction) {
  const entity = chosenEntity();
  if (!entity) return;
  const ends = { start: entity.start, end: entity.end };
  ends[edge] = session.note.step(edge, ends[edge], direction);
  moveChosen(ends.start, ends.end);
}

export function travel(direction) {
  if (session.history?.[direction]()) {
    showKeepingFocus();
    say(direction === "undo" ? "Undone." : "Redone.");
  }
}

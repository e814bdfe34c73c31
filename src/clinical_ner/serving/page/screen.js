/* What is on the screen is what `session` says; and which entity is chosen on it. */

import * as corrections from "./corrections.js";
import { $, element, fill } from "./elements.js";
import { probability, said } from "./names.js";
import { chosenEntity, entities, isShown, reading, session } from "./session.js";
import { conceptOf, drawEntities, drawTreatments, ordered, ROWS, summary } from "./tables.js";

export function show() {
  const shown = entities().filter(isShown);
  if (!shown.some(({ id }) => id === session.chosen)) session.chosen = null;
  reading.draw(session.note, shown);
  reading.choose(session.chosen);
  showTables(shown);
  showChosen();
  showChanges(shown);
}

function showTables(shown) {
  const rows = ordered(shown, $("order").value);
  const pages = Math.max(1, Math.ceil(rows.length / ROWS));
  session.page = Math.min(Math.max(session.page, 0), pages - 1);
  drawEntities($("entities").tBodies[0], rows.slice(session.page * ROWS, (session.page + 1) * ROWS), session.chosen, goTo);
  $("entities-count").textContent = summary(shown.length, entities().length);
  $("pages").hidden = pages === 1;
  $("page").textContent = `Page ${session.page + 1} of ${pages}`;
  $("previous").ariaDisabled = session.page === 0;
  $("next").ariaDisabled = session.page === pages - 1;
  drawTreatments($("treatments").tBodies[0], session.answer.treatments, goToWords);
}

export function showChosen() {
  const entity = chosenEntity();
  $("chosen-none").hidden = Boolean(entity);
  $("chosen-form").hidden = !entity;
  $("chosen-text").textContent = entity?.text ?? "";
  if (!entity) return;
  fill($("chosen-facts"), ...factsOf(entity));
  for (const radio of $("chosen-form").elements.label) radio.checked = radio.value === entity.label;
  $("assertion").value = entity.assertion;
  $("start").value = entity.start;
  $("end").value = entity.end;
  $("end").max = session.note.length;
}

function factsOf(entity) {
  const facts = {
    Confidence: [probability(entity.confidence)],
    ...(entity.section && { Section: [said(entity.section)] }),
    ...(entity.trigger && { "Said by": [element("q", {}, entity.trigger.text)] }),
    Concept: conceptOf(entity),
  };
  return Object.entries(facts).map(([name, fact]) => element("div", {}, element("dt", {}, name), element("dd", {}, ...fact)));
}

function showChanges(shown) {
  const { history, answer } = session;
  const { added, removed, changed } = corrections.changes(entities(), answer.entities.length);
  const made = Object.entries({ added, changed, removed }).filter(([, number]) => number);
  $("changes").textContent = made.length ? `(${made.map(([name, number]) => `${number} ${name}`).join(", ")})` : "";
  $("treatments-hint").textContent = made.length ? "As the model found them: corrections do not change this table." : "";
  $("undo").ariaDisabled = !history.canUndo; // disabled, it would lose the focus
  $("redo").ariaDisabled = !history.canRedo;
  const hidden = entities().length - shown.length;
  $("hidden-count").textContent = hidden ? `${hidden} hidden; they stay in what is sent` : "";
}

/** Tell what happened, also to a reader who cannot see it. */
export function say(message) {
  for (const place of document.querySelectorAll(".status")) place.textContent = message;
}

// --- choosing --------------------------------------------------------------------------------------

/** Choose an entity without moving the focus. */
export function choose(id) {
  if (id === session.chosen) return;
  session.chosen = id;
  reading.choose(id);
  for (const row of $("entities").tBodies[0].rows) {
    if (Number(row.dataset.id) === id) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
  showChosen();
}

/** Choose an entity and go to it in the note. */
export function goTo(id) {
  choose(id);
  const mark = reading.mark(id);
  if (!mark) return;
  mark.tabIndex = -1;
  mark.focus({ preventScroll: true });
  mark.scrollIntoView({ block: "nearest" });
}

function goToWords(words) {
  const isMeant = ({ text }) => text.toLowerCase() === words.toLowerCase();
  const entity = entities().find((one) => isMeant(one) && isShown(one));
  if (entity) goTo(entity.id);
  else say("No entity that is shown now has these words.");
}

/** The shown entity after or before the chosen one, or at an end of the note. */
export function neighbour(key) {
  const shown = entities().filter(isShown);
  const at = shown.findIndex(({ id }) => id === session.chosen);
  const next = { ArrowRight: at + 1, ArrowLeft: at < 0 ? shown.length - 1 : at - 1, Home: 0, End: shown.length - 1 }[key];
  return shown[Math.min(Math.max(next, 0), shown.length - 1)];
}

/* The page: what is on the screen is what `session` says, and every function that changes it calls `show`. */

import { describeModel, extract, newId, sendFeedback } from "./api.js";
import * as corrections from "./corrections.js";
import { Adding } from "./adding.js";
import { letEndsBeDragged } from "./dragging.js";
import { $, element, fill } from "./elements.js";
import { EXAMPLE } from "./example.js";
import { NoText, readText, save } from "./files.js";
import { ASSERTIONS, counted, LABELS, probability, said } from "./names.js";
import { Note } from "./note.js";
import { hideProblem, showProblem } from "./problem.js";
import { Reading } from "./reading.js";
import { conceptOf, drawEntities, drawTreatments, ordered, ROWS, summary } from "./tables.js";

const session = {
  opened: null, // the text of a file as it is there, and how the text field shows it
  note: null,
  answer: null, // of the API
  history: null, // of the entities
  chosen: null, // the id of an entity
  threshold: 0,
  page: 0,
  unsent: null, // feedback whose sending failed, so that it is sent again under its id
  sent: null, // the entities that were sent last
};
const reading = new Reading($("note"));
const adding = new Adding(reading, () => session.note, addEntity);

// --- the note comes in -----------------------------------------------------------------------------

function writtenText() {
  const { opened } = session;
  const shown = $("text").value; // a text field turns every line end into a newline: offsets are of the file as it is
  return (opened?.shown === shown ? opened.text : shown).toWellFormed();
}

function write(text) {
  $("text").value = text;
  session.opened = { text, shown: $("text").value };
  showSize();
}

async function open(file) {
  if (!file || !(await mayLeave())) return;
  try {
    const { text, encoding } = await readText(file);
    goToWriting();
    write(text);
    hideProblem();
    say(encoding === "utf-8" ? "File opened." : `File opened. It is not UTF-8: it was read as ${encoding}.`);
    $("extract").focus();
  } catch (error) {
    showProblem(error instanceof NoText ? error : { what: "the file cannot be read", remedy: "open another one" });
  }
}

function showSize() {
  const { length } = $("text").value;
  $("size").textContent = length ? counted(new Note($("text").value).length, "character", "characters") : "";
}

async function find() {
  const text = writtenText();
  if (!text.trim()) {
    say("There is no note yet: paste or open one.");
    return $("text").focus();
  }
  await busy($("extract"), async () => {
    say("Reading…");
    const answer = await extract(text).catch((problem) => {
      say("");
      showProblem(problem, find);
    });
    if (!answer) return;
    if (writtenText() === text) receive(text, answer);
    else say("The note was changed meanwhile: find its entities again.");
  });
}

/** Do what a button is for, unless it is being done; the button keeps the focus, so it is not disabled. */
async function busy(button, act) {
  if (button.ariaBusy === "true") return;
  hideProblem();
  button.ariaBusy = "true";
  try {
    await act();
  } finally {
    button.ariaBusy = null;
  }
}

function receive(text, answer) {
  const entities = corrections.asFound(answer.entities);
  const history = new corrections.History(entities);
  Object.assign(session, { note: new Note(text), answer, history, chosen: null, page: 0, unsent: null, sent: entities });
  $("feedback").reset();
  $("sent").textContent = "";
  $("writing").hidden = true;
  $("result").hidden = false;
  $("model").textContent = `Model ${answer.model_version}`;
  show();
  say(`${counted(entities.length, "entity", "entities")} found.`);
  $("note").focus({ preventScroll: true });
  scrollTo(0, 0);
}

function goToWriting() {
  adding.leave();
  $("result").hidden = true;
  $("writing").hidden = false;
  session.history = null;
}

async function startAnew() {
  if (!(await mayLeave())) return;
  goToWriting();
  $("text").focus();
  $("text").select();
}

const hasUnsent = () => Boolean(session.history?.canUndo && session.history.present !== session.sent);

/** Whether corrections that nobody has seen may be lost. */
async function mayLeave() {
  if (!hasUnsent()) return true;
  const dialog = $("confirm");
  dialog.returnValue = "stay";
  dialog.showModal();
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  return dialog.returnValue === "leave";
}

// --- what is on the screen -------------------------------------------------------------------------

const entities = () => session.history.present;
const chosenEntity = () => entities().find(({ id }) => id === session.chosen);
const isShown = ({ confidence }) => confidence === null || confidence >= session.threshold;

function show() {
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

function showChosen() {
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
function say(message) {
  for (const place of document.querySelectorAll(".status")) place.textContent = message;
}

// --- choosing --------------------------------------------------------------------------------------

/** Choose an entity without moving the focus. */
function choose(id) {
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
function goTo(id) {
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
function neighbour(key) {
  const shown = entities().filter(isShown);
  const at = shown.findIndex(({ id }) => id === session.chosen);
  const next = { ArrowRight: at + 1, ArrowLeft: at < 0 ? shown.length - 1 : at - 1, Home: 0, End: shown.length - 1 }[key];
  return shown[Math.min(Math.max(next, 0), shown.length - 1)];
}

// --- correcting ------------------------------------------------------------------------------------

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

function removeChosen() {
  const entity = chosenEntity();
  if (!entity) return;
  const shown = entities().filter(isShown);
  const at = shown.indexOf(entity);
  session.chosen = (shown[at + 1] ?? shown[at - 1])?.id ?? null;
  correct(corrections.remove(entities(), entity.id), "Removed. Undo brings it back.");
}

function relabelChosen(label) {
  correct(corrections.relabel(entities(), session.chosen, label), `Label: ${said(label)}.`);
}

function judgeChosen(assertion) {
  correct(corrections.judge(entities(), session.chosen, assertion), `Assertion: ${said(assertion)}.`);
}

function moveChosen(start, end) {
  const isMeant = Number.isInteger(start) && Number.isInteger(end);
  const next = isMeant ? corrections.move(entities(), session.note, session.chosen, start, end) : entities();
  if (next === entities()) say("It stays: an end cannot leave the note or reach into another entity.");
  correct(next, `Now: ${next.find(({ id }) => id === session.chosen)?.text}`);
  showChosen(); // a field may hold what the note does not allow
}

function moveEdge(edge, direction) {
  const entity = chosenEntity();
  if (!entity) return;
  const ends = { start: entity.start, end: entity.end };
  ends[edge] = session.note.step(edge, ends[edge], direction);
  moveChosen(ends.start, ends.end);
}

function travel(direction) {
  if (session.history?.[direction]()) {
    showKeepingFocus();
    say(direction === "undo" ? "Undone." : "Redone.");
  }
}

// --- the keyboard, in the note ---------------------------------------------------------------------

const MOVES = { ArrowRight: ["end", 1], ArrowLeft: ["end", -1], ArrowUp: ["start", -1], ArrowDown: ["start", 1] };

function pressInNote(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const done = adding.span ? adding.press(event) : pressOnEntity(event);
  if (done) event.preventDefault();
}

/** Whether the key means something. */
function pressOnEntity({ key, shiftKey }) {
  if (shiftKey && MOVES[key]) return moveEdge(...MOVES[key]), true;
  if (["ArrowRight", "ArrowLeft", "Home", "End"].includes(key) && !shiftKey) {
    const next = neighbour(key);
    if (next) goTo(next.id);
    return true;
  }
  if (key === "?") return $("help").showModal(), true;
  if (key.toLowerCase() === "n") return adding.begin(chosenEntity()?.end ?? reading.firstVisible()), true;
  return session.chosen !== null && pressOnChosen(key);
}

function pressOnChosen(key) {
  const label = LABELS.find((name) => name[0] === key.toUpperCase());
  const assertion = ASSERTIONS[Number(key) - 1];
  if (label) relabelChosen(label);
  else if (assertion) judgeChosen(assertion);
  else if (key === "Delete" || key === "Backspace") removeChosen();
  else if (key === "Enter" || key === " ") focusFields();
  else return false;
  return true;
}

function focusFields() {
  [...$("chosen-form").elements.label].find(({ checked }) => checked).focus();
}

function pressAnywhere(event) {
  const isInField = event.target.matches?.("textarea, input:not([type=radio], [type=checkbox], [type=range]), select");
  if (!(event.ctrlKey || event.metaKey) || isInField || event.key.toLowerCase() !== "z" || !session.history) return;
  event.preventDefault();
  travel(event.shiftKey ? "redo" : "undo");
}

// --- feedback --------------------------------------------------------------------------------------

async function send() {
  const rating = Number(new FormData($("feedback")).get("rating")) || null;
  const withSpans = $("with-spans").checked;
  if (!rating && !withSpans) {
    $("sent").textContent = "Give a rating, correct the entities, or say that they are right.";
    return;
  }
  const sent = entities();
  const feedback = underOneId({
    prediction_id: session.answer.prediction_id,
    rating,
    spans: withSpans ? sent.map(({ start, end, label, assertion }) => ({ start, end, label, assertion })) : null,
    text: $("with-text").checked ? session.note.text : null,
  });
  const { history } = session;
  await busy($("send"), async () => {
    const stored = await sendFeedback(feedback).catch((problem) => {
      $("sent").textContent = "Not sent.";
      showProblem(problem, session.history === history ? send : null);
    });
    if (stored && session.history === history) confirmSent(stored, withSpans ? sent : null); // else another note is shown
  });
}

/** The same id if it is the same feedback as the last, which then is stored once, however often it is sent. */
function underOneId(feedback) {
  const content = JSON.stringify(feedback);
  if (session.unsent?.content !== content) session.unsent = { content, id: newId() };
  return { ...feedback, feedback_id: session.unsent.id };
}

function confirmSent({ feedback_id: id, repeated }, sent) {
  session.sent = sent ?? session.sent;
  $("sent").textContent = `${repeated ? "It had been stored before" : "Stored. Thank you"} (feedback ${id}).`;
}

// --- taking it along -------------------------------------------------------------------------------

function resultAsJson() {
  const { entities: _, ...answer } = session.answer;
  return `${JSON.stringify({ ...answer, entities: corrections.plain(entities()) }, null, 2)}\n`;
}

/** A line as `clinical-ner evaluate --format jsonl` and data/annotated take it. */
function resultAsAnnotations() {
  const spans = entities().map(({ start, end, label }) => ({ start, end, label }));
  return `${JSON.stringify({ id: session.answer.prediction_id, text: session.note.text, entities: spans })}\n`;
}

const fileName = (suffix) => `extraction-${session.answer.prediction_id}.${suffix}`;

async function copy() {
  try {
    await navigator.clipboard.writeText(resultAsJson());
    say("Copied.");
  } catch {
    say("The browser does not let this page copy: download it instead.");
  }
}

// --- wiring ----------------------------------------------------------------------------------------

function on(id, kind, act) {
  $(id).addEventListener(kind, act);
}

function onSubmit(id, act) {
  on(id, "submit", (event) => {
    event.preventDefault();
    act();
  });
  on(id, "keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    act();
  });
}

function wireNoteComingIn() {
  onSubmit("writing", find);
  on("text", "input", showSize);
  on("open", "click", () => $("file").click());
  on("file", "change", ({ target }) => {
    open(target.files[0]);
    target.value = "";
  });
  on("example", "click", () => {
    write(EXAMPLE);
    $("extract").focus();
  });
  on("edit", "click", startAnew);
  addEventListener("dragover", (event) => event.dataTransfer.types.includes("Files") && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    open(event.dataTransfer.files[0]);
  });
  addEventListener("beforeunload", (event) => hasUnsent() && event.preventDefault());
}

function wireCorrecting() {
  const markOf = (event) => event.target.closest?.(".entity");
  on("note", "keydown", pressInNote);
  on("note", "focusin", (event) => markOf(event) && choose(Number(markOf(event).dataset.id)));
  // In Chromium no selection stays inside of what a press can focus; the click that follows focuses it all the same.
  on("note", "pointerdown", (event) => markOf(event)?.removeAttribute("tabindex"));
  on("note", "click", (event) => markOf(event) && getSelection().isCollapsed && goTo(Number(markOf(event).dataset.id)));
  letEndsBeDragged($("note"), reading, {
    ends: () => ({ ...chosenEntity(), note: session.note }),
    preview: (start, end) => {
      const next = corrections.move(entities(), session.note, session.chosen, start, end);
      reading.draw(session.note, next.filter(isShown));
      reading.choose(session.chosen);
    },
    move: (start, end) => {
      moveChosen(start, end);
      show();
    },
  });
  fill($("assertion"), ...ASSERTIONS.map((name) => element("option", { value: name }, said(name))));
  on("assertion", "change", ({ target }) => judgeChosen(target.value));
  for (const radio of $("chosen-form").elements.label) radio.addEventListener("change", () => relabelChosen(radio.value));
  for (const id of ["start", "end"]) on(id, "change", () => moveChosen($("start").valueAsNumber, $("end").valueAsNumber));
  for (const button of $("chosen-form").querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => moveEdge(button.dataset.edge, Number(button.dataset.step)));
  }
  on("remove", "click", () => {
    removeChosen();
    goTo(session.chosen);
    if (session.chosen === null) $("note").focus();
  });
  on("chosen-form", "submit", (event) => event.preventDefault());
  on("chosen", "keydown", ({ key }) => key === "Escape" && goTo(session.chosen));
  on("undo", "click", () => travel("undo"));
  on("redo", "click", () => travel("redo"));
  addEventListener("keydown", pressAnywhere);
}

function wireViews() {
  on("threshold", "input", ({ target }) => {
    session.threshold = target.valueAsNumber;
    $("threshold-value").textContent = target.valueAsNumber.toFixed(2);
    show();
  });
  on("show-confidence", "change", ({ target }) => $("note").classList.toggle("with-confidence", target.checked));
  on("order", "change", () => show());
  for (const [id, step] of [["previous", -1], ["next", 1]]) {
    on(id, "click", () => {
      session.page += step;
      show();
      $("entities-title").scrollIntoView({ block: "nearest" });
    });
  }
  on("help-open", "click", () => $("help").showModal());
}

function wireTakingAlong() {
  onSubmit("feedback", send);
  on("copy", "click", copy);
  on("download", "click", () => save(resultAsJson(), fileName("json"), "application/json"));
  on("download-annotations", "click", () => save(resultAsAnnotations(), fileName("jsonl"), "application/jsonl"));
}

async function start() {
  wireNoteComingIn();
  wireCorrecting();
  wireViews();
  wireTakingAlong();
  $("text").value = ""; // whatever the browser kept
  try {
    $("model").textContent = `Model ${(await describeModel()).model_version}`;
  } catch (problem) {
    showProblem(problem, () => location.reload());
  }
}

start();

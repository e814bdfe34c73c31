/* The note comes in: pasted, opened or the example; and its entities are asked for. */

import { extract } from "./api.js";
import * as corrections from "./corrections.js";
import { adding } from "./correcting.js";
import { $ } from "./elements.js";
import { NoText, readText } from "./files.js";
import { counted } from "./names.js";
import { Note } from "./note.js";
import { busy, hideProblem, showProblem } from "./problem.js";
import { say, show } from "./screen.js";
import { hasUnsent, session } from "./session.js";

function writtenText() {
  const { opened } = session;
  const shown = $("text").value; // a text field turns every line end into a newline: offsets are of the file as it is
  return (opened?.shown === shown ? opened.text : shown).toWellFormed();
}

export function write(text) {
  $("text").value = text;
  session.opened = { text, shown: $("text").value };
  showSize();
}

export async function open(file) {
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

export function showSize() {
  const { length } = $("text").value;
  $("size").textContent = length ? counted(new Note($("text").value).length, "character", "characters") : "";
}

export async function find() {
  const text = writtenText();
  if (!text.trim()) {
    say("There is no note yet: paste or open one.");
    return $("text").focus();
  }
  await busy($("extract"), async () => {
    say("Reading…");
    const answer = await extract(text).catch((problem) => showProblem(problem, find));
    say("");
    if (!answer) return;
    if (writtenText() === text) receive(text, answer);
    else say("The note was changed meanwhile: find its entities again.");
  });
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

export async function startAnew() {
  if (!(await mayLeave())) return;
  goToWriting();
  $("text").focus();
  $("text").select();
}

/** Whether corrections that nobody has seen may be lost. */
async function mayLeave() {
  if (!hasUnsent()) return true;
  const dialog = $("confirm");
  dialog.returnValue = "stay";
  dialog.showModal();
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  return dialog.returnValue === "leave";
}

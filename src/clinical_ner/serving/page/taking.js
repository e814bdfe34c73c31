/* Taking the result along: to the clipboard, or as a file. */

import * as corrections from "./corrections.js";
import { save } from "./files.js";
import { say } from "./screen.js";
import { entities, session } from "./session.js";

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

export async function copy() {
  try {
    await navigator.clipboard.writeText(resultAsJson());
    say("Copied.");
  } catch {
    say("The browser does not let this page copy: download it instead.");
  }
}

export const downloadResult = () => save(resultAsJson(), fileName("json"), "application/json");
export const downloadAnnotations = () => save(resultAsAnnotations(), fileName("jsonl"), "application/jsonl");

/* What the keys do in the note, and everywhere. */

import { adding, judgeChosen, moveEdge, relabelChosen, removeChosen, travel } from "./correcting.js";
import { $ } from "./elements.js";
import { ASSERTIONS, LABELS } from "./names.js";
import { goTo, neighbour } from "./screen.js";
import { chosenEntity, reading, session } from "./session.js";

const MOVES = { ArrowRight: ["end", 1], ArrowLeft: ["end", -1], ArrowUp: ["start", -1], ArrowDown: ["start", 1] };

export function pressInNote(event) {
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

export function pressAnywhere(event) {
  const isInField = event.target.matches?.("textarea, input:not([type=radio], [type=checkbox], [type=range]), select");
  if (!(event.ctrlKey || event.metaKey) || isInField || event.key.toLowerCase() !== "z" || !session.history) return;
  event.preventDefault();
  travel(event.shiftKey ? "redo" : "undo");
}

/* The wiring of the page: which control calls which function. */

import { describeModel } from "./api.js";
import * as corrections from "./corrections.js";
import { judgeChosen, moveChosen, moveEdge, relabelChosen, removeChosen, travel } from "./correcting.js";
import { letEndsBeDragged } from "./dragging.js";
import { $, element, fill } from "./elements.js";
import { EXAMPLE } from "./example.js";
import { pressAnywhere, pressInNote } from "./keyboard.js";
import { ASSERTIONS, said } from "./names.js";
import { showProblem } from "./problem.js";
import { choose, goTo, show } from "./screen.js";
import { send } from "./sending.js";
import { chosenEntity, entities, hasUnsent, isShown, reading, session } from "./session.js";
import { copy, downloadAnnotations, downloadResult } from "./taking.js";
import { find, open, showSize, startAnew, write } from "./writing.js";

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
  on("download", "click", downloadResult);
  on("download-annotations", "click", downloadAnnotations);
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

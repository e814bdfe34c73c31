/* The one place where things that went wrong are told, with what to do about them. */

import { useKey } from "./api.js";
import { $, element, fill } from "./elements.js";

let again = null; // what to repeat

/** Show what went wrong; `retry` is called to do it again, with a new key or as it was. */
export function showProblem(problem, retry = null) {
  const { what, remedy, details = [], requestId = "", isAboutTheKey = false, isWorthRepeating = false } = problem;
  again = retry;
  $("problem-what").textContent = sentence(what);
  $("problem-remedy").textContent = sentence(remedy);
  fill($("problem-details"), ...details.map(({ place, problem }) => element("li", {}, place ? `${place}: ${problem}` : problem)));
  $("problem-request").textContent = requestId && `Request ${requestId}`;
  $("key-form").hidden = !isAboutTheKey;
  $("problem-retry").hidden = !(retry && isWorthRepeating);
  $("problem").hidden = false;
}

export function hideProblem() {
  $("problem").hidden = true;
  $("key").value = "";
}

/** Do what a button is for, unless it is being done; the button keeps the focus, so it is not disabled. */
export async function busy(button, act) {
  if (button.ariaBusy === "true") return;
  hideProblem();
  button.ariaBusy = "true";
  try {
    await act();
  } catch (error) {
    showProblem({ what: "this page failed, not the service", remedy: "copy what you need from it, then reload it" });
    throw error;
  } finally {
    button.ariaBusy = null;
  }
}

function sentence(text) {
  return text && `${text[0].toUpperCase()}${text.slice(1)}.`;
}

function repeat() {
  const retry = again;
  hideProblem();
  retry?.();
}

$("problem-close").addEventListener("click", hideProblem);
$("problem-retry").addEventListener("click", repeat);
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey($("key").value.trim());
  repeat();
});

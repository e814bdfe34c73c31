/* The tables beside the note. */

import { isChanged } from "./corrections.js";
import { element, fill } from "./elements.js";
import { codes, counted, probability, said } from "./names.js";

export const ROWS = 100; // of a page: a long note has thousands of entities

const ORDERS = {
  position: (one, other) => one.start - other.start,
  unsure: (one, other) => (one.confidence ?? 1) - (other.confidence ?? 1),
  text: (one, other) => one.text.localeCompare(other.text),
};

export function ordered(entities, order) {
  return [...entities].sort(ORDERS[order]);
}

/** The rows of one page of entities; a click on the words of one calls `choose` with its id. */
export function drawEntities(body, entities, chosen, choose) {
  if (!entities.length) return fill(body, element("tr", {}, element("td", { colSpan: 6, className: "quiet" }, "none")));
  return fill(body, ...entities.map((entity) => entityRow(entity, chosen, choose)));
}

function entityRow(entity, chosen, choose) {
  const row = element(
    "tr",
    {},
    heading(wordsButton(entity, choose)),
    cell("Label", element("span", { className: `tag ${said(entity.label)}` }, said(entity.label))),
    cell("Confidence", probability(entity.confidence)),
    cell("Assertion", ...assertionOf(entity)),
    cell("Section", entity.section ? said(entity.section) : "–"),
    cell("Concept", ...conceptOf(entity)),
  );
  row.dataset.id = entity.id;
  if (entity.id === chosen) row.setAttribute("aria-current", "true");
  return row;
}

function heading(...children) {
  return element("th", { scope: "row" }, ...children);
}

function cell(name, ...children) {
  const made = element("td", {}, ...children);
  made.dataset.name = name; // narrow screens show it before the cell
  return made;
}

function wordsButton(entity, choose) {
  const button = element("button", { type: "button", className: "words" }, entity.text);
  button.addEventListener("click", () => choose(entity.id));
  return isChanged(entity) ? element("span", {}, button, " ", element("span", { className: "quiet" }, "corrected")) : button;
}

function assertionOf({ assertion, trigger }) {
  const tag = element("span", { className: `said ${said(assertion)}` }, said(assertion));
  return trigger ? [tag, " ", element("q", {}, trigger.text)] : [tag];
}

/** A concept's name and codes; a guess from the words says so. */
export function conceptOf({ concept }) {
  if (!concept) return ["–"];
  const known = [...codes(concept), ...(concept.score < 1 ? [`a guess, ${concept.score.toFixed(2)}`] : [])];
  return [concept.name, ...known.flatMap((code) => [" ", element("span", { className: "code" }, code)])];
}

/** The treatments of each disease; a click on a name calls `find` with it. */
export function drawTreatments(body, treatments, find) {
  const rows = Object.entries(treatments).map(([disease, names]) => {
    const listed = names.length ? [element("ul", {}, ...names.map((name) => element("li", {}, finder(name, find))))] : ["–"];
    return element("tr", {}, heading(finder(disease, find)), element("td", {}, ...listed));
  });
  const none = element("tr", {}, element("td", { colSpan: 2, className: "quiet" }, "no disease of the patient"));
  fill(body, ...(rows.length ? rows : [none]));
}

function finder(name, find) {
  const button = element("button", { type: "button", className: "words" }, name);
  button.addEventListener("click", () => find(name));
  return button;
}

/** Such as "17 entities, 3 of them hidden". */
export function summary(shown, all) {
  const hidden = all - shown;
  return counted(all, "entity", "entities") + (hidden ? `, ${hidden.toLocaleString("en")} of them hidden` : "");
}

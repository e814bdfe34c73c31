/* What the page knows of the note in hand; who changes it calls `show` of screen.js. */

import { $ } from "./elements.js";
import { Reading } from "./reading.js";

export const session = {
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

export const reading = new Reading($("note"));

export const entities = () => session.history.present;
export const chosenEntity = () => entities().find(({ id }) => id === session.chosen);
export const isShown = ({ confidence }) => confidence === null || confidence >= session.threshold;

export const hasUnsent = () => Boolean(session.history?.canUndo && session.history.present !== session.sent);

/* Feedback: sent under one id, so that it is stored once however often it is sent. */

import { newId, sendFeedback } from "./api.js";
import { $ } from "./elements.js";
import { busy, showProblem } from "./problem.js";
import { entities, session } from "./session.js";

export async function send() {
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

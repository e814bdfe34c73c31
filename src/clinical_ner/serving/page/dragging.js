/* The ends of the chosen entity follow the pointer, from word to word. */

/** `ends` gives the chosen entity and its note; `preview` and `move` take its new start and end. */
export function letEndsBeDragged(root, reading, { ends, preview, move }) {
  root.addEventListener("pointerdown", (event) => {
    if (!event.target.matches?.(".handle")) return;
    event.preventDefault(); // no selection of text
    const edge = event.target.matches(".at-start") ? "start" : "end";
    drag(edge, ends(), event.pointerId);
  });

  function drag(edge, { start, end, note }, pointer) {
    const now = { start, end };
    const leave = new AbortController();
    const listen = (kind, act) =>
      addEventListener(kind, (event) => event.pointerId === pointer && act(event), { signal: leave.signal });
    listen("pointermove", ({ clientX, clientY }) => {
      const position = reading.positionAt(clientX, clientY);
      if (position === null) return;
      now[edge] = note.nearest(edge, position);
      if (now.start < now.end) preview(now.start, now.end);
    });
    listen("pointerup", () => {
      leave.abort();
      move(now.start, now.end);
    });
    listen("pointercancel", () => {
      leave.abort();
      move(start, end);
    });
  }
}

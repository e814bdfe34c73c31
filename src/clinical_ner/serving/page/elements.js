/* Elements of the page. Text comes in as text nodes alone: nothing here, or anywhere, parses HTML. */

export const $ = (id) => document.getElementById(id);

/** An element with these properties and children, which are elements or texts. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Show exactly these children. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children);
}

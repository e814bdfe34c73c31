/* Files are read and made in the browser: opening one sends nothing anywhere. */

const MAX_BYTES = 5_000_000;

/** What cannot be opened, and what to do about it. */
export class NoText extends Error {
  constructor(what, remedy) {
    super(what);
    Object.assign(this, { what, remedy });
  }
}

/** The text of a file and, if it is not UTF-8, what it was taken for. */
export async function readText(file) {
  if (file.size > MAX_BYTES) throw new NoText("the file is too large for a note", "open a text file below 5 MB");
  const bytes = new Uint8Array(await file.arrayBuffer());
  const encoding = encodingOf(bytes);
  const text = new TextDecoder(encoding).decode(bytes);
  if (text.includes("\0")) throw new NoText("the file holds no plain text", "save it as a text file, then open that");
  return { text, encoding };
}

function encodingOf(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be";
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return "utf-8";
  } catch {
    return "windows-1252";
  }
}

/** Let the browser save this text under a name. */
export function save(text, name, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

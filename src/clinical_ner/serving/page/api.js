/* The API of this service. The key, if one is typed in here, stays in this variable: nothing is kept in the browser. */

const PATIENCE = 60_000; // milliseconds; the service gives up earlier
const OF_STATUS = {
  401: ["the service wants an API key", "type one in below, or reload the page and sign in"],
  403: ["the key may not do this", "ask the operator for a key with the role"],
  413: ["the note is too long for this service", "divide it, for instance at its headings"],
  429: ["the service is busy", "try again in a moment"],
  502: ["the service does not answer", "try again in a moment"],
  503: ["the service is not available", "try again in a moment"],
  504: ["the answer was not ready in time", "try again with a shorter note"],
};
const WORTH_REPEATING = new Set([0, 408, 429, 500, 502, 503, 504]);

let key = "";

/** Send this key from now on, in place of the one that the browser sends by itself. */
export function useKey(secret) {
  key = secret;
}

/** What the service answered instead of what was asked: to be shown. */
export class Refusal extends Error {
  constructor(status, { code = "", message, remedy, details = [] }, requestId = "") {
    super(code);
    Object.assign(this, { status, code, what: message, remedy, details, requestId });
  }

  get isWorthRepeating() {
    return WORTH_REPEATING.has(this.status);
  }

  get isAboutTheKey() {
    return this.status === 401 || this.status === 403;
  }
}

export const extract = (text) => ask("POST", "extract", { text });
export const sendFeedback = (feedback) => ask("POST", "feedback", feedback);
export const describeModel = () => ask("GET", "model");

/** An id for feedback; crypto.randomUUID is missing where the page is not served over TLS. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

async function ask(method, path, body) {
  let response, answer;
  try {
    response = await fetch(path, request(method, body));
    answer = await response.json().catch(() => null);
  } catch {
    throw new Refusal(0, { message: "the service cannot be reached", remedy: "check the connection, then try again" });
  }
  if (response.ok && answer) return answer;
  throw refusal(response, answer);
}

function request(method, body) {
  const headers = { Accept: "application/json" };
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const content = body === undefined ? undefined : JSON.stringify(body);
  return { method, headers, body: content, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) };
}

/** A gateway before the service has error pages of its own: the status then says what is known. */
function refusal(response, answer) {
  const requestId = answer?.request_id ?? response.headers.get("X-Request-ID") ?? "";
  if (answer?.error?.message) return new Refusal(response.status, answer.error, requestId);
  const [message, remedy] = OF_STATUS[response.status] ?? [`the service answered ${response.status}`, "try again"];
  return new Refusal(response.status, { message, remedy }, requestId);
}

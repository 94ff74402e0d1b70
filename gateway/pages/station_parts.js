// What the pages of a bench are put together from: elements without markup in data, sounds, keys, and the asset number.

/** An element. `about` are its properties and attributes; text goes in as text, never as markup. */
export function el(tag, about = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(about)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") made.className = value;
    else if (name === "on") for (const [event, heard] of Object.entries(value)) made.addEventListener(event, heard);
    else if (name === "data") Object.assign(made.dataset, value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Both languages, Chinese first. `said` is {zh, en}. */
export const both = (said) => [said.zh, " ", el("span", { lang: "en" }, said.en)];
export const words = (zh, en) => ({ zh, en });

// What a wedge scanner types comes faster than anyone types: gaps of a few milliseconds, and Enter.
const GAP_MS_MAX = 50;
const SCAN_LENGTH_MIN = 9;
const ASSET_NO = /^(?:[0-9]{22}|T[0-9]{5}[0-9A-Z]{4,20})$/;

export const isAssetNo = (text) => ASSET_NO.test(text);

/** The 22nd digit that belongs to the first 21: GS1 mod 10, as the registry has it. */
export function checkDigit(first) {
  const sum = [...first].reduce((total, digit, at) => total + Number(digit) * (at % 2 === 0 ? 3 : 1), 0);
  return String((10 - (sum % 10)) % 10);
}

/** What the typed number is, in words that help to type it right. */
export function numberHelp(text) {
  if (/^T/.test(text)) {
    return isAssetNo(text) ? words("临时标识完整。", "A whole temporary identity.") : words("临时标识：T、5 位单位代码、4 至 20 位。", "A temporary identity: T, the unit's 5 digits, 4 to 20 more.");
  }
  if (/[^0-9]/.test(text)) return words("只能是数字，或以 T 开头的临时标识。", "Digits only, or a temporary identity that begins with T.");
  if (text.length < 21) return words(`已输 ${text.length} 位，共 22 位。`, `${text.length} digits of 22.`);
  const right = checkDigit(text.slice(0, 21));
  if (text.length === 21) return words(`末位（校验位）应为 ${right}。`, `The last digit, the check digit, should be ${right}.`);
  if (text.length > 22) return words(`多了 ${text.length - 22} 位。`, `${text.length - 22} digits too many.`);
  if (text[21] === right) return words("校验位相符。", "The check digit is right.");
  return words(`校验位应为 ${right}，实为 ${text[21]}：有一位或几位输错，请逐位核对。`, `The check digit should be ${right}, not ${text[21]}: compare the digits one by one.`);
}

/** Keys of the whole page, be they typed or scanned. `heard` is told `scan(text)`, `typedNumber(text)`, `enter(text)`,
 * `key(name)`, and shown what is on the line. In a field of a form keys are the field's, but for a number that a scanner typed there: that is no
 * answer to what was asked, goes out of the field again, and is a scan as anywhere else. */
export class Keys {
  constructor(heard, shown) {
    this.heard = heard; this.shown = shown; this.typed = []; this.waiting = 0; this.before = "";
    document.addEventListener("keydown", (event) => this.down(event));
  }

  get text() { return this.typed.map((one) => one.key).join(""); }

  clear() { this.typed = []; clearTimeout(this.waiting); this.shown(""); }

  down(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest?.("input, textarea")) { this.inField(event); return; }
    if (event.key === "Enter") { event.preventDefault(); this.enter(event.timeStamp); return; }
    if (event.key.length > 1) {
      if (event.key === "Backspace" && this.typed.length) { event.preventDefault(); this.typed.pop(); this.shown(this.text); return; }
      if (["Backspace", "Escape", "ArrowUp", "ArrowDown"].includes(event.key)) { event.preventDefault(); this.clear(); this.heard.key(event.key); }
      return;
    }
    event.preventDefault();
    this.typed.push({ key: event.key.normalize("NFKC"), at: event.timeStamp });
    clearTimeout(this.waiting);
    // A key alone is a key; one that another follows at once is part of a scan.
    this.waiting = setTimeout(() => this.alone(), GAP_MS_MAX + 10);
    this.shown(this.text);
  }

  /** `before` is what the field held when what came at once began. */
  inField(event) {
    const at = event.timeStamp, last = this.typed.at(-1);
    if (!last || at - last.at > GAP_MS_MAX) { this.typed = []; this.before = event.target.value; }
    if (event.key.length === 1) { this.typed.push({ key: event.key.normalize("NFKC"), at }); return; }
    if (event.key !== "Enter") return;
    const scanned = this.text.trim();
    this.typed = [];
    if (!isAssetNo(scanned)) return;
    event.preventDefault();
    event.target.value = this.before;
    this.heard.scan(scanned);
  }

  alone() {
    if (this.typed.length === 1 && this.heard.key(this.typed[0].key)) this.clear();
  }

  enter(at) {
    let from = this.typed.length, last = at;
    while (from > 0 && last - this.typed[from - 1].at <= GAP_MS_MAX) last = this.typed[--from].at;
    const scanned = this.typed.slice(from).map((one) => one.key).join(""), all = this.text.trim();
    this.clear();
    if (scanned.length >= SCAN_LENGTH_MIN) this.heard.scan(scanned.trim());
    else if (isAssetNo(all)) this.heard.typedNumber(all);
    else this.heard.enter(all);
  }
}

/** Short tones; a browser lets none sound before a key was pressed. */
export class Sounds {
  constructor() { this.on = sessionStorage.getItem("sound") !== "off"; this.context = null; }

  toggle() { this.on = !this.on; sessionStorage.setItem("sound", this.on ? "on" : "off"); }

  play(name) {
    document.documentElement.dataset.sound = this.on ? name : "off";
    if (!this.on) return;
    this.context ??= new AudioContext();
    this.context.resume();
    TONES[name].reduce((at, [hertz, seconds, shape]) => this.tone(at, hertz, seconds, shape), this.context.currentTime);
  }

  tone(at, hertz, seconds, shape = "sine") {
    const source = new OscillatorNode(this.context, { frequency: hertz, type: shape }), loud = new GainNode(this.context, { gain: 0.2 });
    loud.gain.setTargetAtTime(0, at + seconds * 0.8, 0.01);
    source.connect(loud).connect(this.context.destination);
    source.start(at); source.stop(at + seconds);
    return at + seconds;
  }
}
const TONES = {
  taken: [[1200, 0.07]],
  outside: [[500, 0.15, "triangle"]],
  step: [[880, 0.09], [1320, 0.12]],
  verdict: [[660, 0.12], [880, 0.12], [1320, 0.25]],
  hold: [[440, 0.2], [660, 0.2], [440, 0.3]],
  refused: [[220, 0.3, "square"], [165, 0.45, "square"]],
};

/** What the bench was told when it was set up. Kept in this tab and nowhere else; it goes when the tab is closed. */
export const kept = {
  get(name) { return sessionStorage.getItem(`station.${name}`) ?? ""; },
  set(name, value) { sessionStorage.setItem(`station.${name}`, value); },
};

/** Bench, site and token out of the address, and the address without them. */
export function takeFragment() {
  const said = new URLSearchParams(location.hash.slice(1));
  for (const name of ["bench", "site", "token"]) if (said.get(name)) kept.set(name, said.get(name));
  if (location.hash) history.replaceState(null, "", location.pathname);
}

/** A refusal as the doors write it, or what stands for one where no door answered. */
export class Refused extends Error {
  constructor(problem) { super(problem.en); this.problem = problem; }
}

const fresh = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const AWAY = { code: "station.no_answer", status: 0, errors: [], zh: "没有回答：网络或平台中断。已记的不会丢，也不会记两次。按回车重试。", en: "No answer: the network or the platform is away. Nothing recorded is lost, and nothing is recorded twice. Press Enter to try again." };

/** A question, or with `body` a command. The same command that is sent again is recorded once: `key` names it. */
export async function ask(path, body, key = fresh()) {
  const headers = { Authorization: `Bearer ${kept.get("token")}` };
  if (body) Object.assign(headers, { "Content-Type": "application/json", "Idempotency-Key": key });
  let answer;
  try {
    answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), cache: "no-store" });
  } catch {
    throw Object.assign(new Refused(AWAY), { again: key });
  }
  const said = await answer.json().catch(() => ({ ...AWAY, status: answer.status }));
  if (!answer.ok) throw Object.assign(new Refused(said), { again: answer.status >= 500 ? key : undefined });
  return said;
}

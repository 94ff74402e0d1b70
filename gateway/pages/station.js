// The page of a bench: scan, fill in, verdict; all of it by keys, for hands that hold a scanner.

import { Keys, Refused, Sounds, ask, both, el, isAssetNo, kept, numberHelp, takeFragment, words } from "./station_parts.js";

const main = document.getElementById("view"), legend = document.getElementById("keys"), line = document.getElementById("line");
const photo = document.getElementById("photo");
const sounds = new Sounds();
let view = { keys: {} };
let busy = false;

const STEPS = [["appearance", "外观检查", "Appearance"], ["function", "功能检查", "Function"], ["accuracy", "计量性能检查", "Accuracy"]];
const COMMANDS = { appearance: "inspect-appearance", function: "inspect-function", accuracy: "inspect-accuracy" };
const LETTERS = { reuse: "A", claim: "B", scrap: "C", hold: "D" };
const WAYS = { reuse: words("利旧", "reuse"), claim: words("理赔", "claim"), scrap: words("报废", "scrap"), hold: words("待裁定", "hold") };
const NOT_POSSIBLE = [words("损坏，不能通电", "damaged, cannot be powered"), words("无显示、无响应", "no display, no answer"), words("接线端子损坏", "terminals broken"), words("检测装置故障", "the instrument is out of order")];
const COMPARED = 0;
const AGAIN = [words("复测比对", "measured again to compare"), words("维修后重新分拣", "after a repair"), words("上次误检", "inspected wrongly before")];
const UNDONE = "台上撤销扫码 scan undone at the bench";
const TYPED = "编号为手工输入，通信地址未读 the number was typed, no communication address was read";

const path = (assetNo, command) => `/v1/inspections/${assetNo}${command ? `/${command}` : ""}`;
const now = () => new Date().toISOString();
const saidOnce = (said) => `${said.zh} ${said.en}`;

// ---- what is on the screen

/** Show a view: `body` are its nodes; `keys` what each key does: {key: [words, act, "first" | "shown above"]}; `enter(text)`
 * what Enter does. */
function show(next) {
  view = { keys: {}, ...next };
  main.replaceChildren(...view.body.flat().filter(Boolean));
  const all = { ...view.keys, ...(view.plain ? {} : common()) };
  legend.replaceChildren(...Object.entries(all).filter(([, one]) => one[2] !== "shown above").map(([key, [said, act, first]]) =>
    el("button", { type: "button", tabindex: "-1", class: first, on: { click: () => act() } }, el("kbd", {}, KEY_NAMES[key] ?? key.toUpperCase()), both(said))));
  document.documentElement.dataset.view = view.name;
  const field = main.querySelector("input:not([type=file])");
  if (field) field.focus(); else document.activeElement?.blur?.();
  window.scrollTo(0, 0);
  main.querySelector(".at")?.scrollIntoView({ block: "center" });
}
const KEY_NAMES = { Enter: "⏎", Escape: "Esc", ArrowUp: "↑", ArrowDown: "↓", Backspace: "⌫" };

const common = () => ({ m: [sounds.on ? words("静音", "sound off") : words("开声音", "sound on"), () => { sounds.toggle(); show(view); }] });

function header() {
  document.getElementById("where").replaceChildren(kept.get("bench") || "—", " · ", kept.get("site") || "—");
  document.getElementById("count").textContent = String(count());
}

// The shift's verdicts: what the platform counted when the page began to count, and what was judged here since.
const SHIFTS = [6, 14, 22];
let counting = { shift: "", judged: 0 };
const count = () => counting.judged;

/** The shift that it is now in Shanghai: the day on which it began, its first hour, and the hours of its days so far. */
function shiftNow() {
  const at = new Date(Date.now() + 8 * 3_600_000), hour = at.getUTCHours();
  const begin = SHIFTS.findLast((one) => one <= hour) ?? SHIFTS.at(-1);
  const days = hour < SHIFTS[0] ? [new Date(at - 86_400_000), at] : [at];
  return { name: `${days[0].toISOString().slice(0, 10)} ${begin}`, hours: days.map((day, nth) => [day.toISOString().slice(0, 10), nth ? 0 : begin]) };
}

/** Count anew where another shift has begun, or another bench. */
async function counted() {
  const now = shiftNow(), shift = `${kept.get("bench")} ${now.name}`;
  if (counting.shift === shift || !kept.get("token")) return;
  let judged = 0;
  for (const [day, from] of now.hours) {
    const rows = (await ask(`/v1/stations/throughput?day=${day}&bench=${encodeURIComponent(kept.get("bench"))}`)).items;
    judged += rows.filter((row) => (row.judged_hour ?? -1) >= from).reduce((sum, row) => sum + row.judged, 0);
  }
  counting = { shift, judged };
  header();
}

new Keys({
  scan: (text) => { if (busy) tooSoon(text); else if (view.scan) view.scan(text); else scanned(text); },
  typedNumber: (text) => { if (busy) tooSoon(text); else scanned(text, "typed"); },
  enter: (text) => { if (!busy) view.enter?.(text); },
  key: (key) => {
    if (busy) return true;
    const name = key.length === 1 ? key.toLowerCase() : key, found = { ...view.keys, ...(view.plain ? {} : common()) }[name];
    if (!found || (view.number && /[0-9.-]/.test(name))) return false;
    found[1]();
    return true;
  },
}, (text) => { line.textContent = text; });

/** A scan while an answer is awaited: which of two devices is in hand would be anybody's guess. */
function tooSoon(text) {
  sounds.play("refused");
  line.textContent = `请稍候，再扫一次 wait, then scan again: ${text}`;
}

/** Do this once, and show what refuses it. */
async function doing(act) {
  if (busy) return;
  busy = true; document.documentElement.dataset.busy = "yes";
  try {
    await act();
  } catch (problem) {
    if (!(problem instanceof Refused)) throw problem;
    refused(problem.problem, problem.again === undefined ? null : () => doing(act));
  } finally {
    busy = false; delete document.documentElement.dataset.busy;
  }
}

/** One command, under one name however often it is sent. */
function command(assetNo, name, about) {
  const body = { occurred_at: now(), ...about };
  let key;
  return async () => {
    try { return await ask(path(assetNo, name), body, key); } catch (problem) { key = problem.again ?? key; throw problem; }
  };
}

function refused(problem, again) {
  const back = view.name === "refused" ? view.back : view;
  sounds.play("refused");
  const needsToken = problem.status === 401;
  show({
    name: "refused", back,
    body: [el("section", { class: "refusal", role: "alert", data: { code: problem.code } },
      el("p", { class: "big" }, both(problem)),
      problem.errors?.length ? el("ul", {}, problem.errors.filter((one) => one.zh !== problem.zh).map((one) => el("li", {}, both(one)))) : null,
      el("p", { class: "code" }, problem.code))],
    keys: {
      Enter: again ? [words("重试", "try again"), again, "first"] : [words("知道了，继续", "go on"), () => (needsToken ? setup() : show(back)), "first"],
      Escape: [words("下一只", "next device"), ready],
    },
    enter: () => (again ? again() : needsToken ? setup() : show(back)),
  });
}

// ---- setting up, ready, numbers that cannot be scanned

function setup() {
  const field = (name, said, type, more = {}) => el("label", {}, el("span", {}, both(said)), el("input", { type, name, value: type === "password" ? null : kept.get(name), required: true, autocomplete: "off", spellcheck: "false", maxlength: type === "password" ? 8192 : 64, ...more }));
  const form = el("form", { autocomplete: "off", on: { submit: (event) => { event.preventDefault(); done(); } } },
    field("bench", words("检测台编号", "bench"), "text", { placeholder: "B1" }),
    field("site", words("站点编号", "site"), "text"),
    field("token", words("令牌（粘贴；只存于此标签页）", "token (paste it; it stays in this tab)"), "password"),
    el("button", { class: "first" }, el("kbd", {}, "⏎"), both(words("开始", "begin"))));
  const done = () => {
    for (const name of ["bench", "site", "token"]) kept.set(name, form.elements[name].value.trim() || kept.get(name));
    header(); ready();
  };
  show({ name: "setup", plain: true, scan: () => sounds.play("refused"), body: [el("h2", {}, both(words("本台设置", "Set up this bench"))), form], keys: {} });
}

function ready() {
  // Without an answer the page works on, and counts from what it knows.
  counted().catch(() => {});
  const last = kept.get("last");
  show({
    name: "ready",
    body: [el("section", { class: "ready" }, el("h2", {}, both(words("扫码", "Scan"))),
      el("p", {}, both(words("扫资产编号条码或二维码。", "Scan the asset number, bar code or QR."))),
      last ? el("p", { class: "about" }, both(words("上一只", "last")), " ", el("span", { class: "number" }, last)) : null)],
    keys: {
      k: [words("读不出，手工输入", "unreadable: type it"), byHand],
      u: [words("撤销上次扫码", "undo the last scan"), undo],
      b: [words("看板", "board"), () => location.assign("/station/board")],
      h: [words("交班", "hand over the shift"), handOver],
      s: [words("设置", "set up"), setup],
    },
    enter: (text) => text && refused({ code: "station.no_asset_number", zh: `“${text}”不是资产编号。请扫 22 位编号或 T 开头的临时标识；读不出时按 K。`, en: `“${text}” is no asset number. Scan the 22 digits, or a temporary identity that begins with T; press K if it cannot be read.` }),
  });
}

/** The path for a barcode that cannot be read. */
function byHand() {
  const help = el("p", { class: "hint" }), field = el("input", { type: "text", name: "asset_no", inputmode: "numeric", maxlength: 40, spellcheck: "false", autocomplete: "off" });
  const say = () => help.replaceChildren(...both(numberHelp(field.value.trim().toUpperCase())));
  field.addEventListener("input", say);
  say();
  const go = () => { const text = field.value.normalize("NFKC").replace(/[\s-]/g, "").toUpperCase(); if (isAssetNo(text)) scanned(text, "typed"); else sounds.play("outside"); };
  show({
    name: "by_hand", plain: true, scan: scanned,
    body: [el("h2", {}, both(words("手工输入资产编号", "Type the asset number"))),
      el("form", { on: { submit: (event) => { event.preventDefault(); go(); }, keydown: (event) => { if (event.key === "Escape") ready(); } } },
        el("label", {}, el("span", {}, both(words("铭牌上的 22 位数字", "the 22 digits on the name plate"))), field), help,
        el("button", { class: "first" }, el("kbd", {}, "⏎"), both(words("开检", "open")))),
      el("h3", {}, both(words("铭牌也读不出？", "The name plate cannot be read either?"))),
      el("p", {}, both(words("不要猜。放入异常区，由登记员在登记服务赋予临时标识（T 加单位代码加序号），用 meterloop sorting label 打印标签贴上，再扫该标签。", "Do not guess. Put it aside: the registrar gives it a temporary identity (T, the unit's code, a serial), prints its label by meterloop sorting label, and then that label is scanned.")))],
    keys: { Escape: [words("返回", "back"), ready] },
  });
}

// ---- a scan

/** `how` the number was read: only what was scanned is a barcode that was read. */
function scanned(text, how = "scanned") {
  const assetNo = text.normalize("NFKC").trim();
  if (!isAssetNo(assetNo)) {
    refused({ code: "station.no_asset_number", zh: `扫到的“${assetNo.slice(0, 60)}”不是资产编号。请扫铭牌上的资产编号条码；读不出时按 K 手工输入。`, en: `“${assetNo.slice(0, 60)}” is no asset number. Scan the one on the name plate; press K to type it if it cannot be read.` });
    return;
  }
  if (view.name === "stopped" && view.form.asset_no === assetNo && how === "scanned") { identify(view.form, { barcode: assetNo }); return; }
  if (view.name === "step" && view.form.asset_no === assetNo) { sounds.play("outside"); return; }
  if (view.name === "step" && view.isBegun()) {
    const begun = view;
    sounds.play("hold");
    choose(words("这一步尚未结束。", "This step has not ended."), [words("留在本器具", "stay with this device"), words("放下，转到刚扫的器具", "leave it, go to the one just scanned")],
      (at) => (at === 0 ? show(begun) : open(assetNo, how)), () => show(begun));
    return;
  }
  open(assetNo, how);
}

const open = (assetNo, how) => doing(async () => { const form = await formOf(assetNo); kept.set("last", assetNo); kept.set("how", how); kept.set("opened", ""); return arrived(form); });
const formOf = (assetNo) => ask(`${path(assetNo, "form")}?bench=${encodeURIComponent(kept.get("bench"))}`);

/** Show what is to be done next with this device. */
async function arrived(form) {
  switch (form.act) {
    case "open": return nameplate(form);
    case "identify": return identified(form);
    case "end_step": return step(form);
    case "judge": return judged(await judge(form));
    case "stopped": return stopped(form);
    case "elsewhere": return elsewhere(form);
    default: return verdict(form);
  }
}

/** Have it judged, unless the platform has done so already, which it does by itself when the last step has ended. */
async function judge(form) {
  try {
    await command(form.asset_no, "judge", {})();
  } catch (problem) {
    if (problem.problem?.code !== "inspection.not_open") throw problem;
  }
  return formOf(form.asset_no);
}

function judged(form) {
  counting.judged += 1;
  header();
  sounds.play(form.verdict.disposition === "hold" ? "hold" : "verdict");
  verdict(form);
}

function nameplate(form, why, comparison) {
  const begin = (accuracyClass) => doing(async () => {
    const about = { bench: kept.get("bench"), site: kept.get("site"), ...(accuracyClass ? { accuracy_class: accuracyClass } : {}), ...(why ? { why } : {}), ...(comparison ? { comparison } : {}) };
    await command(form.asset_no, "open-inspection", about)();
    kept.set("opened", form.asset_no);
    sounds.play("taken");
    await identified(form);
  });
  if (!form.accuracy_classes.length) { begin(null); return; }
  sounds.play("taken");
  choose(words("铭牌上的准确度等级？", "Which accuracy class is on the name plate?"), [...form.accuracy_classes.map((one) => words(one, "")), words("铭牌读不出", "the name plate cannot be read")],
    (at) => begin(form.accuracy_classes[at] ?? null), ready, about(form));
}

/** A question that digits answer. */
function choose(said, options, chosen, back, above = []) {
  const take = (at) => { sounds.play("taken"); chosen(at); };
  show({
    name: "choose",
    body: [...above, el("h2", {}, both(said)), el("ul", { class: "list" }, options.map((option, at) => el("li", {}, el("button", { type: "button", tabindex: "-1", on: { click: () => take(at) } }, el("kbd", {}, String(at + 1)), both(option)))))],
    keys: { ...hidden(options, take), Escape: [words("返回", "back"), back] },
  });
}
const hidden = (options, take) => Object.fromEntries(options.slice(0, 9).map((option, at) => [String(at + 1), [option, () => take(at), "shown above"]]));

const about = (form) => [
  el("p", { class: "number", data: { asset: form.asset_no } }, form.asset_no),
  el("p", { class: "about" }, both(form.class_name), ` · ${[form.device.maker, form.device.batch, form.device.model, form.device.accuracy_class && `class ${form.device.accuracy_class}`].filter(Boolean).join(" · ")}`)];

/** Check its identity by the barcode that was scanned; of a number that was typed, by what the meter itself shows. */
async function identified(form) {
  if (kept.get("how") === "scanned") { await checked(form, { barcode: form.asset_no }); return; }
  if (form.device.comm_address) addressOf(form, { why: TYPED }, ready); else await checked(form, { why: TYPED });
}

async function checked(form, read) {
  await command(form.asset_no, "check-identity", { ...read, bench: kept.get("bench") })();
  await arrived(await formOf(form.asset_no));
}

const identify = (form, read) => doing(() => checked(form, read));

/** The address that the meter shows; `otherwise` is what was read where it shows none. */
const addressOf = (form, otherwise, back) => typed(words("表显通信地址（12 位）", "the communication address that the meter displays, 12 digits"), (text) => identify(form, text ? { comm_address: text } : otherwise), back, otherwise && words("表不显示的，留空。", "Leave it empty where the meter shows none."));

const abandon = (assetNo, why) => doing(async () => { await command(assetNo, "abandon-inspection", { why })(); sounds.play("step"); ready(); });

function stopped(form) {
  sounds.play("refused");
  show({
    name: "stopped", form,
    body: [...about(form), el("section", { class: "refusal" }, el("p", { class: "big" }, both(form.said)))],
    keys: {
      c: [words("输入通信地址", "type the communication address"), () => addressOf(form, null, () => stopped(form))],
      a: [words("终止分拣", "abandon the inspection"), () => abandon(form.asset_no, saidOnce(words("身份不符", "identity does not match"))), "first"],
      Escape: [words("下一只", "next device"), ready],
    },
  });
}

function elsewhere(form) {
  sounds.play("hold");
  show({
    name: "elsewhere", form,
    body: [...about(form), el("p", { class: "big" }, both(words(`在检测台 ${form.bench} 开检。`, `It is open at bench ${form.bench}.`))), el("p", {}, both(form.said))],
    keys: {
      t: [words("移交到本台", "take it over to this bench"), () => doing(async () => { await command(form.asset_no, "hand-over-inspection", { bench: kept.get("bench") })(); sounds.play("step"); await arrived(await formOf(form.asset_no)); })],
      Escape: [words("下一只", "next device"), ready, "first"],
    },
    enter: ready,
  });
}

/** A line of text, typed into a field; with `unless` it may be left empty. An asset number is no answer. */
function typed(said, given, back, unless) {
  const field = el("input", { type: "text", name: "typed", maxlength: 500, autocomplete: "off", required: !unless });
  const hint = el("p", { class: "hint", role: "status" }, unless ? both(unless) : null);
  show({
    name: "typed", plain: true,
    scan: (text) => { sounds.play("refused"); hint.replaceChildren(...both(words(`扫到的 ${text} 不作答案，未记。请键入，或按 Esc 返回。`, `${text} was scanned; that is no answer, and nothing was recorded. Type it, or press Esc.`))); },
    body: [el("form", { on: { submit: (event) => { event.preventDefault(); given(field.value.trim()); }, keydown: (event) => { if (event.key === "Escape") back(); } } },
      el("label", {}, el("span", {}, both(said)), field), hint, el("button", { class: "first" }, el("kbd", {}, "⏎"), both(words("确定", "done"))))],
    keys: { Escape: [words("返回", "back"), back] },
  });
}

// ---- the form of a step

const limitOf = (item) => [item.least ?? "−∞", "…", item.most ?? "+∞"].join(" ");
const isWithin = (item, value) => (item.least === null || value >= item.least) && (item.most === null || value <= item.most);

function step(form) {
  const now = form.step, answers = new Map();
  let at = 0, answered = -1;
  const photos = [];
  if (!now.applicable) { endsAs(form, now, { ended: "not_applicable" }, now.purpose); return; }
  if (now.unsafe) { endsAs(form, now, { ended: "not_possible", why: saidOnce(words(`不得通电：${now.unsafe.zh}`, `must not be powered: ${now.unsafe.en}`)) }, now.unsafe, true); return; }

  const given = (item) => answers.get(item.code);
  const closed = () => now.items.some((item) => item.choices.find((one) => one.code === given(item)?.choice)?.ends_step);
  const move = (by) => { at = Math.max(0, Math.min(now.items.length, at + by)); draw(); };
  const answer = (item, said, sound) => { answers.set(item.code, { item: item.code, photos: given(item)?.photos ?? [], ...said }); answered = at; sounds.play(sound); move(1); };

  function take(item, choice) { answer(item, { choice: choice.code }, choice.fault ? "outside" : "taken"); }

  function entered(text) {
    const item = now.items[at];
    if (!item) { end(); return; }
    if (!text) { if (given(item) !== undefined || !item.required) move(1); else sounds.play("outside"); return; }
    if (!item.unit) { sounds.play("outside"); return; }
    const value = Number(text);
    if (!/^-?[0-9]{1,13}$/.test(text)) { wrong(item, words(`“${text}”不是整数。单位：${item.unit_name.zh}。`, `“${text}” is no whole number, in ${item.unit_name.en}.`)); return; }
    if (value < item.range_least || value > item.range_most) { wrong(item, words(`${value} 超出仪器量程 ${item.range_least} 至 ${item.range_most}。检查接线与量程后重测。`, `${value} is outside the instrument's range of ${item.range_least} to ${item.range_most}; check the wiring and the range, and measure again.`)); return; }
    answer(item, { value }, isWithin(item, value) ? "taken" : "outside");
  }
  const wrong = (item, said) => refused({ code: "station.cannot_be", zh: `${item.name.zh}：${said.zh}`, en: `${item.name.en}: ${said.en}`, errors: [] });

  function end(second) {
    const missing = closed() ? -1 : now.items.findIndex((item) => item.required && given(item) === undefined);
    if (missing >= 0) { at = missing; sounds.play("outside"); draw(); return; }
    if (now.dual_control && !second) { typed(words("第二人的代号（双人作业）", "the subject id of the second person"), end, draw); return; }
    const report = { measured: [...answers.values()].map(({ photos: of, ...one }) => (of.length ? { ...one, photos: of } : one)), ...(photos.length ? { photos } : {}), ...(second ? { second } : {}) };
    draw(); finish(form, now, report);
  }

  /** A photo of the item shown, if that is answered, or else of the one that was answered last. */
  function pictured() {
    const shown = now.items[at], of = shown && given(shown) ? shown : now.items[answered];
    photo.value = "";
    photo.onchange = async () => {
      const file = photo.files[0];
      if (!file) return;
      if (!crypto.subtle) { refused({ code: "station.no_hashes", zh: "此地址不能计算照片的哈希：请用 https 打开本页。", en: "No photo can be hashed at this address: open the page by https.", errors: [] }); return; }
      const hash = Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer())), (byte) => byte.toString(16).padStart(2, "0")).join("");
      if (of?.photo) given(of).photos = [...given(of).photos, hash]; else photos.push(hash);
      sounds.play("taken"); draw();
    };
    photo.click();
  }

  function shownAnswer(item) {
    const said = given(item), pictures = said?.photos.length ? ` 📷${said.photos.length}` : "";
    if (said === undefined) return el("span", { class: "given missing" }, item.required ? "—" : both(words("可不填", "may be left out")));
    if (said.choice !== undefined) { const choice = item.choices.find((one) => one.code === said.choice); return el("span", { class: `given ${choice.fault ? "outside" : "within"}` }, both(choice.name), pictures); }
    return el("span", { class: `given ${isWithin(item, said.value) ? "within" : "outside"}` }, `${said.value} ${item.unit}`, pictures);
  }

  function draw() {
    const item = now.items[at];
    const options = item?.choices ?? [];
    show({
      name: "step", form, number: Boolean(item?.unit), isBegun: () => answers.size > 0,
      body: [...about(form), progress(form), warnings(now),
        el("ul", { class: "items" }, now.items.map((one, place) => el("li", { class: place === at ? "item at" : "item", data: { item: one.code } },
          el("span", { class: "named" }, both(one.name)), shownAnswer(one),
          one.unit ? el("span", { class: "limit" }, one.limited ? `${limitOf(one)} ${one.unit} ` : both(words("此准确度等级没有限值", "no limit for this accuracy class")), one.limited ? el("span", { lang: "en" }, one.source, one.confirmed ? "" : " · 待确认 to be confirmed") : null) : null,
          one.choices.length ? el("ul", { class: "options" }, one.choices.map((choice, nth) => el("li", {}, el("button", { type: "button", tabindex: "-1", class: given(one)?.choice === choice.code ? "chosen" : null, on: { click: () => { at = place; take(one, choice); } } }, el("kbd", {}, String(nth + 1)), both(choice.name))))) : null))),
        photos.length || now.photos_min ? el("p", {}, both(words(`照片 ${photos.length + [...answers.values()].reduce((sum, one) => sum + one.photos.length, 0)} 张，至少 ${now.photos_min} 张`, `photos, at least ${now.photos_min}`))) : null],
      keys: {
        ...Object.fromEntries(options.slice(0, 9).map((choice, nth) => [String(nth + 1), [choice.name, () => take(item, choice), "shown above"]])),
        Enter: item && !closed() ? [words("下一项", "next item"), () => entered("")] : [words("结束本步", "end the step"), () => end(), "first"],
        ArrowUp: [words("上一项", "item before"), () => move(-1)],
        p: [words("照片", "photo"), pictured],
        n: [words("无法执行", "not possible"), () => notPossible()],
        ...(now.waivers.length ? { w: [words("按规则免检", "waived by a rule"), () => waived()] } : {}),
        u: [words("撤销扫码", "undo the scan"), undo],
        Escape: [words("下一只", "next device"), ready],
      },
      enter: (text) => (item && !(closed() && !text) ? entered(text) : end()),
    });
  }

  const other = words("其他（输入）", "another: type it");
  function notPossible() {
    choose(words("为什么无法执行？", "Why is it not possible?"), [...NOT_POSSIBLE, other], (nth) => (nth < NOT_POSSIBLE.length ? ended(saidOnce(NOT_POSSIBLE[nth])) : typed(words("原因", "the reason"), ended, draw)), draw, about(form));
    function ended(why) { finish(form, now, { ended: "not_possible", why }); }
  }
  function waived() {
    choose(words("按哪一条规则免检？", "Waived by which rule?"), now.waivers.map((one) => one.when), (nth) => finish(form, now, { ended: "waived", rule: now.waivers[nth].rule, why: saidOnce(now.waivers[nth].when) }), draw, about(form));
  }
  draw();
}

const progress = (form) => el("ol", { class: "steps" }, STEPS.map(([code, zh, en], at) => el("li", { class: at + 1 < form.step.place ? "done" : code === form.step.step ? "now" : null }, both(words(zh, en)))));
const warnings = (now) => (now.safety.length ? el("section", { class: "safety" }, now.safety.map((one) => el("p", {}, both(one)))) : null);

/** A step that can only end this way: Enter ends it. */
function endsAs(form, now, report, why, isUnsafe) {
  const end = () => finish(form, now, report);
  if (isUnsafe) sounds.play("hold");
  const said = isUnsafe ? words(`不得通电：${why.zh}。以“无法执行”结束。`, `Must not be powered: ${why.en}. The step ends as not possible.`) : words(`不适用：${why.zh}`, `Not applicable: ${why.en}`);
  show({
    name: "step", form, isBegun: () => false,
    body: [...about(form), progress(form), el("section", { class: isUnsafe ? "safety unsafe" : "safety" }, el("p", {}, both(said)))],
    keys: { Enter: [words("结束本步", "end the step"), end, "first"], Escape: [words("下一只", "next device"), ready] },
    enter: end,
  });
}

function finish(form, now, report) {
  const send = command(form.asset_no, COMMANDS[now.step], { bench: kept.get("bench"), report });
  doing(async () => {
    await send();
    sounds.play("step");
    const next = await formOf(form.asset_no);
    if (next.verdict) judged(next); else await arrived(next);
  });
}

// ---- the verdict

const yuan = (fen) => `${fen < 0 ? "−" : ""}¥${(Math.abs(fen) / 100).toFixed(2)}`;
const kilograms = (grams) => `${(grams / 1000).toFixed(1)} kg CO₂`;

function verdict(form) {
  const said = form.verdict;
  const forgone = (stair) => (stair.taken ? null : el("p", { class: "forgone" }, both(words("放弃", "forgone")), ": ", [stair.forgone_fen === null ? null : yuan(stair.forgone_fen), stair.forgone_co2_g ? kilograms(stair.forgone_co2_g) : null].filter(Boolean).join(" · ") || "—"));
  show({
    name: "verdict", form,
    body: [...about(form),
      el("section", { class: "verdict", data: { disposition: said.disposition } }, el("span", { class: `letter of-${said.disposition}`, "aria-hidden": "true" }, LETTERS[said.disposition]),
        el("div", {}, el("h2", {}, both(said.name)), el("p", { class: "area" }, both(said.area)), el("p", {}, both(said.because)),
          said.overruled ? el("p", { class: "outside" }, both(words("由两人改判", "set by two persons"))) : null,
          form.review ? el("p", { class: "outside" }, both(words(`在复核 ${form.review} 内，不得变动`, `in review ${form.review}: nothing about it changes`))) : null)),
      said.stairs.length ? el("ol", { class: "stairs" }, said.stairs.map((stair) => el("li", { class: stair.taken ? "taken" : null }, el("p", {}, stair.taken ? "✓ " : "✗ ", both(WAYS[stair.disposition]), " — ", both(stair.why)), forgone(stair)))) : null,
      form.faults.length ? el("p", {}, both(words("故障", "faults")), ": ", form.faults.flatMap((fault, nth) => [nth ? "; " : "", ...both(fault.name)])) : null],
    keys: {
      Enter: [words("下一只", "next device"), ready, "first"],
      ...(form.review ? {} : { r: [words("重新分拣", "inspect it again"), () => choose(words("为什么重新分拣？", "Why is it inspected again?"), AGAIN, (at) => nameplate(form, saidOnce(AGAIN[at]), at === COMPARED), () => verdict(form), about(form))] }),
      u: [words("撤销上次扫码", "undo the last scan"), undo],
    },
    enter: ready,
  });
}

// ---- undo, and the end of a shift

/** Take back the last scan: the inspection that it opened is given up, while no step of it has ended; where it opened none,
 * nothing is recorded. */
function undo() {
  const last = kept.get("last");
  if (!last) { sounds.play("outside"); return; }
  doing(async () => {
    if (kept.get("opened") !== last) { kept.set("last", ""); sounds.play("step"); ready(); return; }
    const form = await formOf(last);
    const fresh = ["identify", "stopped"].includes(form.act) || (form.act === "end_step" && form.step.place === 1);
    if (!fresh) throw new Refused({ code: "station.cannot_undo", zh: `${last} 已有结束的步骤或结论，不能撤销扫码。如须重做，结论后按 R 重新分拣。`, en: `A step of ${last} has ended, or it is judged, or it is at another bench: the scan cannot be undone. To do it again, press R at its verdict.`, errors: [] });
    await command(last, "abandon-inspection", { why: UNDONE })();
    kept.set("last", ""); kept.set("opened", ""); sounds.play("step"); ready();
  });
}

/** Every row of a list, page by page. */
async function whole(address) {
  const rows = [];
  for (let cursor = ""; cursor !== null;) {
    const page = await ask(`${address}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    rows.push(...page.items);
    cursor = page.next;
  }
  return rows;
}

/** What this bench has open moves to another or stays; a scan ticks off what lies there. Then whoever comes signs in. */
function handOver() {
  doing(async () => {
    const bench = kept.get("bench"), found = [], counted = new Set();
    for (const phase of ["open", "stopped"]) found.push(...(await whole(`/v1/inspections?bench=${encodeURIComponent(bench)}&phase=${phase}&limit=500`)));
    const field = el("input", { type: "text", name: "to", value: bench, required: true, maxlength: 64, autocomplete: "off", spellcheck: "false" });
    const said = el("p", { class: "hint", role: "status" });
    const rows = new Map(found.map((row) => [row.asset_no, el("li", { data: { asset: row.asset_no } }, row.asset_no)]));
    const tick = (text) => {
      const row = rows.get(text);
      if (row) { counted.add(text); row.className = "ticked"; sounds.play("taken"); } else sounds.play("refused");
      said.replaceChildren(...both(row ? words(`已清点 ${counted.size} / ${rows.size}`, `${counted.size} of ${rows.size} counted`) : words(`${text} 不在本台未结束之列。`, `${text} is not among what is open at this bench.`)));
    };
    const list = () => show({
      name: "hand_over", plain: true, scan: tick,
      body: [el("h2", {}, both(words("交班", "Hand over the shift"))),
        el("p", { class: "big" }, both(words(`本班结论 ${count()} 只，未结束 ${found.length} 只。`, `${count()} judged this shift, ${found.length} still open.`))),
        el("p", {}, both(words("交接双方清点在台实物：逐只扫码即打勾，与下列编号一致后确认。", "Both sides count what lies at the bench: a scan ticks it off. Confirm when it is what is listed here."))),
        el("ul", { class: "list number" }, ...rows.values()), said,
        el("form", { on: { submit: (event) => { event.preventDefault(); sure(); }, keydown: (event) => { if (event.key === "Escape") ready(); } } },
          el("label", {}, el("span", {}, both(words("未结束的由哪一台继续（不变即留在本台）", "which bench goes on with them (unchanged: they stay)"))), field),
          el("button", { class: "first" }, el("kbd", {}, "⏎"), both(words("继续", "go on"))))],
      keys: { Escape: [words("返回", "back"), ready] },
    });
    const sure = () => {
      const to = field.value.trim(), left = rows.size - counted.size;
      const where = !rows.size ? words("没有未结束的器具。", "Nothing is open.") : to === bench ? words(`${rows.size} 只留在本台 ${bench}。`, `${rows.size} stay at this bench, ${bench}.`) : words(`${rows.size} 只移交到检测台 ${to}。`, `${rows.size} go to bench ${to}.`);
      choose(left ? words(`${where.zh}${left} 只未扫码清点。`, `${where.en} ${left} of them were not ticked off by a scan.`) : where, [words("双方确认交班", "both sides agree"), words("返回清点", "back to the count")],
        (at) => (at === 0 ? go(to) : list()), list);
    };
    const go = (to) => doing(async () => {
      for (const row of to === bench ? [] : found) await moved(row.asset_no, to);
      for (const name of ["last", "opened", "token"]) kept.set(name, "");
      header(); sounds.play("step"); setup();
    });
    list();
  });
}

/** One that has been judged or given up meanwhile is no longer anybody's to go on with. */
async function moved(assetNo, bench) {
  try {
    await command(assetNo, "hand-over-inspection", { bench })();
  } catch (problem) {
    if (problem.problem?.code !== "inspection.not_open") throw problem;
  }
}

takeFragment();
header();
if (kept.get("bench") && kept.get("site") && kept.get("token")) ready(); else setup();
document.documentElement.dataset.ready = "yes";

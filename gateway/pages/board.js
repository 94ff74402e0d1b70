// What benches do today: queues, throughput, backlog, yield, agreement. It asks again every minute.

import { Refused, ask, both, el, kept, takeFragment, words } from "./station_parts.js";

const EVERY_MS = 60_000;
const WEEK_MS = 7 * 86_400_000;
const main = document.getElementById("view");
const WAYS = { reuse: words("利旧", "reuse"), claim: words("理赔", "claim"), scrap: words("报废", "scrap"), hold: words("待裁定", "hold") };
const STEPS = { appearance: words("外观", "appearance"), function: words("功能", "function"), accuracy: words("计量", "accuracy") };
const PHASES = { stopped: words("身份不符已停", "stopped") };
const SHIFTS = { early: "早班 early", late: "中班 late", night: "夜班 night" };

const WAITS = { verdict: words("结论", "a verdict"), person: words("人工裁定", "a person") };
const FIRST_HOUR = 6;

/** A business day, in Asia/Shanghai. */
const day = (at) => new Date(at.getTime() + 8 * 3_600_000).toISOString().slice(0, 10);

/** The day on which the shift at work began: the hours after midnight belong to the one before. */
const shiftDay = (at) => day(new Date(at.getTime() - FIRST_HOUR * 3_600_000));

function svg(tag, about, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(about)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const part = (name, zh, en, ...body) => el("section", { class: "part", data: { part: name } }, el("h2", {}, both(words(zh, en))), ...body);
const nothing = () => el("p", { class: "nothing" }, both(words("暂无数据。", "Nothing yet.")));

function table(heads, rows, note) {
  if (!rows.length) return nothing();
  return el("div", { class: "scroll" }, el("table", {}, note ? el("caption", {}, both(note)) : null,
    el("thead", {}, el("tr", {}, heads.map(([zh, en, kind]) => el("th", { scope: "col", class: kind }, both(words(zh, en)))))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, at) => (at === 0 ? el("th", { scope: "row" }, cell) : el("td", { class: heads[at][2] }, cell))))))));
}

const percent = (share, whole) => (whole ? `${((100 * share) / whole).toFixed(1)} %` : "—");

function queues(rows) {
  return part("queues", "各台队列", "queue per bench", table([["检测台", "bench"], ["等待", "waits for"], ["只数", "devices", "n"], ["最早", "oldest", "n"]],
    rows.map((row) => [row.bench, both(PHASES[row.phase] ?? STEPS[row.next_step] ?? words("结论", "verdict")), String(row.devices), row.oldest_on])));
}

/** Bars of the hours, all benches together, and what each bench did. */
function throughput(rows) {
  const hours = new Array(24).fill(0), benches = new Map();
  for (const row of rows) {
    if (row.judged_hour !== null && row.judged_hour !== undefined) hours[row.judged_hour] += row.judged;
    benches.set(row.bench, (benches.get(row.bench) ?? 0) + row.judged);
  }
  const most = Math.max(1, ...hours), high = 120;
  const chart = svg("svg", { class: "chart", viewBox: "0 0 528 165", role: "img", "aria-label": "每小时结论 verdicts by hour" },
    svg("line", { x1: 0, x2: 528, y1: 140.5, y2: 140.5 }),
    ...hours.flatMap((count, hour) => {
      const height = (count / most) * high, x = ((hour + 24 - FIRST_HOUR) % 24) * 22;
      return [
        ...(count ? [svg("rect", { x: x + 3, width: 16, y: 140 - height, height, rx: 2 }), svg("text", { x: x + 11, y: 135 - height, class: "value" }, String(count))] : []),
        svg("text", { x: x + 11, y: 156 }, String(hour)),
      ];
    }));
  const total = [...benches.values()].reduce((sum, one) => sum + one, 0);
  return part("throughput", "今日各班每小时结论", "verdicts by hour in today's shifts", total ? chart : nothing(),
    total ? table([["检测台", "bench"], ["今日", "today", "n"]], [...benches].map(([bench, count]) => [bench, String(count)])) : null);
}

function backlog(rows) {
  const late = (count) => (count ? el("span", { class: "late" }, String(count)) : "0");
  return part("backlog", "积压", "backlog", table([["站点", "site"], ["类别", "class"], ["等待", "waits for"], ["只数", "devices", "n"], ["逾 7 天", "over 7 days", "n"], ["逾 30 天", "over 30 days", "n"], ["最早", "oldest", "n"]],
    rows.map((row) => [row.site, row.device_class, both(WAITS[row.waits_for]), String(row.devices), late(row.over_week), late(row.over_month), row.oldest_on]),
    words("自到站起计；待人工裁定的自作出该结论起计；重新分拣的自重开起计。", "Counted from arrival; what waits for a person, from its verdict of hold; what is inspected again, from when that was opened.")));
}

/** The verdicts of a row side by side, as wide as they are many. */
function mix(row) {
  const shares = Object.keys(WAYS).map((way) => [way, row[way] / row.judged]);
  let x = 0;
  return svg("svg", { class: "mix", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": shares.map(([way, share]) => `${WAYS[way].zh} ${percent(share, 1)}`).join(" ") },
    ...shares.map(([way, share]) => { const bar = svg("rect", { class: `of-${way}`, x, width: share * 100, height: 10, y: 0 }); x += share * 100; return bar; }));
}

function yields(name, zh, en, rows) {
  const named = (row) => [row.maker, SHIFTS[row.group] ?? row.group ?? "—"].filter(Boolean).join(" / ");
  return part(name, zh, en,
    table([["", ""], ["首次结论", "first verdicts", "n"], ["一次通过", "first pass", "n"], ["构成", "mix"], ["有故障", "faulty", "n"], ["改判", "overruled", "n"], ["重新分拣", "done again", "n"]],
      rows.map((row) => [named(row), String(row.judged), percent(row.first_pass, row.judged), mix(row), percent(row.faulty, row.judged), String(row.overruled), String(row.repeated)]),
      name === "yield-bench" && words("每只器具的首次结论；一次通过：未待裁定、未停检、未改判，其后维修未失败、未因存疑重新分拣。比对不计。", "The first verdict on each device. First pass: not hold, never stopped, not overruled, no repair failed and nothing was gone into again since; comparing benches counts against nobody.")),
    rows.length ? el("p", { class: "key" }, Object.entries(WAYS).map(([way, said]) => el("span", { class: `way ${way}` }, both(said)))) : null);
}

function agreement(rows) {
  return part("agreement", "复检一致", "agreement on devices judged twice",
    table([["先", "first"], ["后", "then"], ["对数", "pairs", "n"], ["结论相同", "same verdict", "n"], ["故障相同", "same faults", "n"]],
      rows.map((row) => [`${row.bench} ${SHIFTS[row.shift] ?? ""}`, `${row.other_bench} ${SHIFTS[row.other_shift] ?? ""}`, String(row.pairs), percent(row.same_disposition, row.pairs), percent(row.same_faults, row.pairs)]),
      words("同一器具先后两次结论，其间未下维修单。", "Two verdicts on the same device, with no repair ordered between.")));
}

/** By subject id, for those alone who answer for the work of the hall. */
function inspectors(rows) {
  return part("inspectors", "检验员间一致性", "agreement of inspectors",
    table([["检验员", "inspectors"], ["对数", "pairs", "n"], ["结论相同", "same verdict", "n"], ["故障相同", "same faults", "n"]],
      rows.map((row) => [`${row.inspector} · ${row.other_inspector}`, String(row.pairs), percent(row.same_disposition, row.pairs), percent(row.same_faults, row.pairs)]),
      words("两人先后各自检完的同一器具；过少的不列。", "Devices that each of the two inspected whole; too few are not told.")));
}

const YIELDS = [["bench", "各台一次通过率", "first-pass yield by bench"], ["shift", "各班", "by shift"], ["device_class", "各类别", "by class"], ["maker", "各厂家", "by maker"], ["batch", "各批次", "by batch"]];

async function draw() {
  const now = new Date(), today = shiftDay(now), week = `first_day=${shiftDay(new Date(now.getTime() - WEEK_MS))}&last_day=${today}`;
  const rows = async (name, query) => (await ask(`/v1/stations/${name}?${query}`)).items;
  const unlessDenied = (problem) => { if (problem.problem?.code === "access.denied") return null; throw problem; };
  try {
    const [waiting, done, behind, pairs, persons, ...by] = await Promise.all([
      rows("queues", ""), rows("throughput", `day=${today}`), rows("backlog", `on=${day(now)}`), rows("agreement", week), rows("inspectors", week).catch(unlessDenied),
      ...YIELDS.map(([name]) => rows("yield", `by=${name}&${week}`))]);
    main.replaceChildren(throughput(done), queues(waiting), backlog(behind), agreement(pairs), ...(persons ? [inspectors(persons)] : []), ...YIELDS.map(([name, zh, en], at) => yields(`yield-${name}`, `${zh}（7 天）`, `${en}, 7 days`, by[at])));
    document.getElementById("as-of").textContent = now.toLocaleTimeString("zh-CN");
  } catch (problem) {
    if (!(problem instanceof Refused)) throw problem;
    main.replaceChildren(el("section", { class: "refusal", role: "alert" }, el("p", { class: "big" }, both(problem.problem)),
      el("p", {}, both(words("令牌在检测台页设置：打开 /station，再回到看板。", "The token is set on the page of the bench: open /station, and come back.")))));
  }
  document.documentElement.dataset.drawn = String(Number(document.documentElement.dataset.drawn ?? 0) + 1);
}

takeFragment();
if (!kept.get("token")) location.replace("/station"); else { draw(); setInterval(draw, EVERY_MS); }

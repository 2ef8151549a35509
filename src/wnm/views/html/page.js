"use strict";
(() => {
  // A node is a line of a table, or where that has no room a card of its own.
  const FIRST_ROWS = matchMedia("(max-width: 54rem)").matches ? 30 : 200;
  const LATE_SECONDS = 300;
  const byId = (id) => document.getElementById(id);

  // Where a page may keep nothing, as in some private windows, it forgets what was chosen.
  // Other pages of the same place may keep something, too.
  const remembered = (key) => { try { return sessionStorage.getItem(`wnm-${key}`); } catch { return null; } };
  const remember = (key, value) => { try { sessionStorage.setItem(`wnm-${key}`, value); } catch { return; } };
  const parsed = (text) => { try { return JSON.parse(text); } catch { return null; } };

  function setUpTheme() {
    const choice = byId("theme");
    const apply = () => {
      if (choice.value) document.documentElement.dataset.theme = choice.value;
      else delete document.documentElement.dataset.theme;
    };
    choice.value = remembered("theme") || "";
    choice.addEventListener("change", () => { remember("theme", choice.value); apply(); });
    byId("theme-control").hidden = false;
    apply();
  }

  function setUpRanges() {
    const kept = remembered("range");
    for (const button of document.querySelectorAll("input[name=range]")) {
      if (button.value === kept) button.checked = true;
      button.addEventListener("change", () => remember("range", button.value));
    }
  }

  function span(seconds) {
    for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
      if (seconds >= length) {
        const count = Math.floor(seconds / length);
        return `${count} ${unit}${count === 1 ? "" : "s"}`;
      }
    }
    return `${Math.max(0, Math.floor(seconds))} seconds`;
  }

  function relative(moment) {
    const seconds = (Date.now() - moment) / 1000;
    if (Math.abs(seconds) < 2) return "just now";
    return seconds > 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
  }

  function tellTimes() {
    for (const element of document.querySelectorAll("time")) {
      const moment = Date.parse(element.dateTime);
      const local = new Date(moment);
      const axis = element.classList.contains("axis");
      const words = axis
        ? local.toLocaleString(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" })
        : relative(moment);
      if (element.textContent !== words) element.textContent = words;
      element.title = local.toLocaleString();
    }
    const last = document.querySelector("#last-cycle time");
    const age = last ? (Date.now() - Date.parse(last.dateTime)) / 1000 : 0;
    const stale = byId("stale");
    const late = age > LATE_SECONDS;
    document.body.classList.toggle("old", late);
    if (late) {
      const words = `No cycle for ${span(age)}: what follows is old. ` +
        "If a reload does not help, wnm does not run: see wnm doctor.";
      if (stale.textContent !== words) stale.textContent = words;
    }
    stale.hidden = !late;
  }

  const NONE = "-";
  const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

  function size(bytes) {
    let amount = bytes;
    let unit = 0;
    while (Math.abs(amount) >= 999.95 && unit < UNITS.length - 1) { amount /= 1000; unit += 1; }
    return unit === 0 ? `${bytes} B` : `${amount.toFixed(1)} ${UNITS[unit]}`;
  }

  const WRITTEN = {
    text: (value) => value,
    word: (value) => value,
    count: (value) => value.toLocaleString("en"),
    number: String,
    bytes: size,
    percent: (value) => `${value.toFixed(1)} %`,
    span: (value) => span(value),
    coin: (value) => String(Number(value.toPrecision(4))),
  };
  const isNumber = (kind) => kind !== "text" && kind !== "word";
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  function setUpNodes() {
    const block = byId("node-data");
    if (!block) return;
    const data = JSON.parse(block.textContent);
    const word = (place) => (place < 0 ? null : data.words[place]);
    const rows = data.rows.map((row) => row.map((value, at) => (data.columns[at][1] === "word" ? word(value) : value)));
    const texts = rows.map((row) => row.filter((value) => typeof value === "string").join("\n").toLowerCase());
    const table = byId("node-table");
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const filter = byId("filter");
    const which = byId("which");
    const more = byId("show-all");
    const tally = byId("node-count");
    const sorting = { column: -1, down: false };
    let limit = FIRST_ROWS;

    function compare(one, other) {
      const at = sorting.column;
      const [a, b] = [rows[one][at], rows[other][at]];
      if (a === null || b === null) return a === b ? one - other : a === null ? 1 : -1;
      const order = isNumber(data.columns[at][1]) ? a - b : collator.compare(a, b);
      return (sorting.down ? -order : order) || one - other;
    }

    function concernsFirst(one, other) {
      const [a, b] = [rows[one][data.why] === null, rows[other][data.why] === null];
      return a - b || one - other;
    }

    function chosen() {
      const wanted = filter.value.trim().toLowerCase();
      const kind = which.value;
      const found = [];
      for (let at = 0; at < rows.length; at += 1) {
        if (wanted && !texts[at].includes(wanted)) continue;
        if (kind === "?" ? rows[at][data.why] === null : kind && rows[at][data.status] !== kind) continue;
        found.push(at);
      }
      return found.sort(sorting.column < 0 ? concernsFirst : compare);
    }

    function cell(row, at) {
      const [heading, kind] = data.columns[at];
      const made = document.createElement("td");
      const value = row[at];
      made.setAttribute("role", "cell");
      made.dataset.label = heading;
      made.textContent = value === null ? NONE : WRITTEN[kind](value);
      if (isNumber(kind)) made.classList.add("number");
      if (value === null) made.classList.add("none");
      if (at === data.status) made.classList.add("status", value);
      if (heads[at].classList.contains("extra")) made.dataset.extra = "";
      return made;
    }

    function show() {
      const found = chosen();
      const shown = found.slice(0, limit);
      const made = document.createDocumentFragment();
      for (const at of shown) {
        const line = document.createElement("tr");
        line.setAttribute("role", "row");
        line.append(...rows[at].map((value, column) => cell(rows[at], column)));
        made.append(line);
      }
      body.replaceChildren(made);
      more.hidden = shown.length === found.length;
      more.textContent = `Show all ${found.length.toLocaleString("en")}`;
      const many = (count) => count.toLocaleString("en");
      const part = found.length < rows.length ? `${many(found.length)} of ` : "";
      const first = shown.length < found.length ? `, the first ${many(shown.length)} are shown` : "";
      tally.textContent = `${part}${many(rows.length)} node${rows.length === 1 ? "" : "s"}${first}`;
    }

    function sortBy(column, down) {
      sorting.column = column;
      sorting.down = down;
      heads.forEach((head, at) => head.setAttribute("aria-sort", at !== column ? "none" : down ? "descending" : "ascending"));
      remember("sort", JSON.stringify(sorting));
      show();
    }

    heads.forEach((head, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      // The largest number is what one looks for, and the first name.
      const first = isNumber(data.columns[at][1]);
      button.addEventListener("click", () => sortBy(at, sorting.column === at ? !sorting.down : first));
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
    });
    const changed = () => {
      remember("filter", filter.value);
      remember("which", which.value);
      limit = FIRST_ROWS;
      show();
    };
    filter.value = remembered("filter") || "";
    const kept = remembered("which");
    if ([...which.options].some((option) => option.value === kept)) which.value = kept;
    filter.addEventListener("input", changed);
    which.addEventListener("change", changed);
    more.addEventListener("click", () => { limit = Infinity; show(); });
    byId("node-controls").hidden = false;
    const note = byId("without-script");
    if (note) note.hidden = true;
    const order = parsed(remembered("sort"));
    if (order && heads[order.column]) sortBy(order.column, order.down);
    else show();
  }

  // What a chart's paths say at the place that somebody points to; in words the same stands below each chart.
  const UNITS_OF_CHARTS = {
    count: (value) => Math.round(value).toLocaleString("en"),
    percent: (value) => `${value.toFixed(1)} %`,
    load: (value) => value.toFixed(2),
    rate: (value) => `${size(value)}/s`,
    coin: (value) => `${Number(value.toPrecision(3))} ANT`,
  };

  function valuesAt(chart, x, reach) {
    const { width, height } = chart.viewBox.baseVal;
    const written = UNITS_OF_CHARTS[chart.dataset.unit];
    const found = [];
    for (const path of chart.querySelectorAll(".line")) {
      const points = [...path.getAttribute("d").matchAll(/([0-9]+),([0-9]+)/g)].map(([, px, py]) => [Number(px), Number(py)]);
      const near = points.reduce((best, point) => (Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best), [Infinity, 0]);
      if (Math.abs(near[0] - x) > reach * width) continue;
      found.push(`${path.dataset.name} ${written((1 - near[1] / height) * Number(chart.dataset.top))}`);
    }
    return found.length ? found.join(", ") : "nothing was seen";
  }

  function setUpReadouts() {
    let shown = null;
    const leave = () => {
      if (!shown) return;
      shown.over.classList.remove("reading-out");
      shown.line.remove();
      shown = null;
    };
    const point = (event) => {
      const chart = event.target.closest(".chart");
      if (!chart) { leave(); return; }
      const over = chart.parentElement;
      if (!shown || shown.over !== over) {
        leave();
        shown = { over, line: document.createElementNS("http://www.w3.org/2000/svg", "line") };
        shown.line.setAttribute("class", "pointer");
        chart.append(shown.line);
        over.classList.add("reading-out");
      }
      const box = chart.getBoundingClientRect();
      const { width, height } = chart.viewBox.baseVal;
      const buckets = Number(over.dataset.buckets);
      const index = Math.min(buckets - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * buckets)));
      const x = ((index + 0.5) * width) / buckets;
      for (const [name, value] of [["x1", x], ["x2", x], ["y1", 0], ["y2", height]]) shown.line.setAttribute(name, value);
      const at = new Date(Date.parse(over.dataset.from) + (index + 0.5) * Number(over.dataset.seconds) * 1000);
      const when = at.toLocaleString(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
      over.querySelector(".readout").textContent = `About ${when}: ${valuesAt(chart, x, 0.6 / buckets)}`;
    };
    const charts = document.querySelector(".charts");
    charts.addEventListener("pointermove", point);
    charts.addEventListener("pointerdown", point);
    charts.addEventListener("pointerleave", leave);
  }

  byId("zone").textContent = "Times are of your time zone.";
  setUpTheme();
  setUpRanges();
  tellTimes();
  setInterval(tellTimes, 15000);
  setUpReadouts();
  setUpNodes();
})();

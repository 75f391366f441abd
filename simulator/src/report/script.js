"use strict";
// Values at a point in time, zoom, and the timelines of other policies. Without it the page shows the first timeline as a picture.
(() => {
  const timelines = JSON.parse(document.getElementById("data").textContent);
  const section = document.getElementById("timeline");
  if (!section || timelines.length === 0) return;
  const one = (selector, within) => (within || section).querySelector(selector);
  const stack = one(".stack"), readout = one(".readout"), choice = one("select"), range = one(".range");
  const panels = [...stack.querySelectorAll(".panel")];
  const strip = one(".strip", stack), times = one(".times", stack), note = one(".timeline-note");
  const HEIGHT = 1000, MINUTE = 60000, DAY = 86400000;
  const STEPS = [1, 5, 15, 30, 60, 180, 360, 720, 1440, 2880, 10080, 20160, 43200, 129600];

  const make = (name, className, text) => {
    const element = document.createElement(name);
    element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const over = make("div", "over"), cursorLine = make("i", "cursor"), brush = make("i", "brush");
  cursorLine.hidden = brush.hidden = true;
  over.append(cursorLine, brush);
  stack.append(over);

  let shown = timelines[0];
  let view = { from: shown.from, to: shown.to };
  let cursor = null; // milliseconds, or null: none
  let drag = null; // where it started, in pixels of the plot

  // "least~largest*n", "value", "-": see the page's source, buckets.rs.
  const decode = (line) => {
    if (line.least) return line;
    line.least = [];
    line.largest = [];
    for (const word of line.data.split(" ")) {
      const [values, times] = word.split("*");
      const [least, largest] = values === "-" ? [NaN, NaN] : values.split("~").map(Number);
      for (let left = times ? Number(times) : 1; left > 0; left -= 1) {
        line.least.push(least);
        line.largest.push(largest === undefined ? least : largest);
      }
    }
    return line;
  };
  const width = () => Math.max(1, over.clientWidth);
  const toX = (at) => ((at - view.from) / (view.to - view.from)) * width();
  const toTime = (x) => view.from + (x / width()) * (view.to - view.from);
  const clamp = (value, least, largest) => Math.min(Math.max(value, least), largest);

  // What is seen of a line: [left, right, least, largest] of each bucket, or of each pixel where there are more buckets.
  const visible = (line) => {
    const { least, largest } = decode(line);
    const size = (shown.to - shown.from) / least.length;
    const first = Math.max(0, Math.floor((view.from - shown.from) / size));
    const end = Math.min(least.length, Math.ceil((view.to - shown.from) / size));
    const per = Math.max(1, Math.floor((end - first) / width()));
    const parts = [];
    for (let at = first; at < end; at += per) {
      let low = Infinity, high = -Infinity;
      const to = Math.min(end, at + per);
      for (let bucket = at; bucket < to; bucket += 1) {
        if (least[bucket] < low) low = least[bucket];
        if (largest[bucket] > high) high = largest[bucket];
      }
      parts.push([toX(shown.from + at * size), toX(shown.from + to * size), low, high]);
    }
    return parts;
  };
  const outline = (line, high) => {
    const y = (value) => Math.round(HEIGHT * (1 - clamp(value / high, 0, 1)));
    let d = "", top = "", bottom = "", start = 0, end = 0;
    const close = () => {
      if (top) d += "M" + start.toFixed(1) + " " + top + (line.area ? "V" + HEIGHT + "H" + start.toFixed(1) : bottom) + "Z";
      top = bottom = "";
    };
    for (const [left, right, least, largest] of visible(line)) {
      if (least > largest) { close(); continue; }
      if (!top) { start = left; top = String(y(largest)); }
      end = right;
      top += "V" + y(largest) + "H" + end.toFixed(1);
      bottom = "V" + y(least) + "H" + left.toFixed(1) + bottom;
    }
    close();
    return d;
  };
  const path = (svg, className, d) => {
    const element = document.createElementNS(svg.namespaceURI, "path");
    element.setAttribute("class", className);
    element.setAttribute("d", d);
    svg.append(element);
  };
  const across = (svg, className, place) => path(svg, className, "M0 " + Math.round(HEIGHT * (1 - place)) + "H" + width());

  const drawPanel = (panel, data) => {
    const svg = one("svg", panel);
    svg.replaceChildren();
    svg.setAttribute("viewBox", "0 0 " + width() + " " + HEIGHT);
    for (const [place] of data.ticks) across(svg, "grid", place);
    if (shown.measured_from !== null && shown.measured_from > view.from) {
      path(svg, "faded", "M0 0H" + clamp(toX(shown.measured_from), 0, width()).toFixed(1) + "V" + HEIGHT + "H0Z");
    }
    for (const line of data.lines) path(svg, (line.area ? "area " : "line ") + line.color, outline(line, data.high));
    for (const level of data.levels) across(svg, "level", level.value / data.high);
  };
  const drawMarks = () => {
    const svg = one("svg", strip);
    svg.replaceChildren();
    svg.setAttribute("viewBox", "0 0 " + width() + " " + HEIGHT);
    let held = "";
    for (const [from, to] of shown.bands) {
      if (to < view.from || from > view.to) continue;
      const left = clamp(toX(from), 0, width()).toFixed(1), right = clamp(toX(to), 0, width()).toFixed(1);
      held += "M" + left + " 0H" + right + "V" + HEIGHT + "H" + left + "Z";
    }
    path(svg, "band", held);
    const reach = { up: [500, 0], neither: [350, 650], down: [500, 1000] };
    for (const direction of Object.keys(reach)) {
      let d = "";
      for (const [at, which] of shown.marks) {
        if (which === direction && at >= view.from && at <= view.to) d += "M" + toX(at).toFixed(1) + " " + reach[direction][0] + "V" + reach[direction][1];
      }
      path(svg, "mark " + direction, d);
    }
  };
  const formats = {
    day: new Intl.DateTimeFormat("en-US", { timeZone: "UTC", month: "short", day: "numeric" }),
    time: new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", hour: "2-digit", minute: "2-digit" }),
  };
  const minute = (at) => new Date(at).toISOString().slice(0, 16).replace("T", " ");
  const drawTimes = () => {
    const most = Math.max(2, Math.min(8, Math.floor(width() / 70)));
    const minutes = (view.to - view.from) / MINUTE;
    const step = (STEPS.find((step) => minutes / step <= most) || 525600) * MINUTE;
    const labels = [];
    for (let at = Math.ceil(view.from / step) * step; at < view.to; at += step) {
      // What would reach beyond the page is left out.
      if (toX(at) > width() - 16) break;
      const label = make("span", "", at % DAY === 0 ? formats.day.format(at) : formats.time.format(at));
      label.style.left = toX(at) + "px";
      labels.push(label);
    }
    times.replaceChildren(...labels);
  };
  const draw = () => {
    shown.panels.forEach((data, place) => drawPanel(panels[place], data));
    drawMarks();
    drawTimes();
    const isAll = view.from === shown.from && view.to === shown.to;
    range.textContent = isAll ? "" : minute(view.from) + " to " + minute(view.to) + " UTC";
    drawCursor();
  };

  const written = (value) => String(Math.round(value * 100) / 100);
  const drawCursor = () => {
    const isSeen = cursor !== null && cursor >= view.from && cursor <= view.to;
    cursorLine.hidden = !isSeen;
    if (isSeen) cursorLine.style.left = toX(cursor) + "px";
    shown.panels.forEach((data, place) => {
      const values = one(".legend", panels[place]).querySelectorAll("b");
      data.lines.forEach((line, number) => {
        const { least, largest } = decode(line);
        const bucket = clamp(Math.floor(((cursor - shown.from) / (shown.to - shown.from)) * least.length), 0, least.length - 1);
        const [low, high] = [least[bucket], largest[bucket]];
        const text = Number.isNaN(low) ? "–" : low === high ? written(low) : written(low) + "–" + written(high);
        values[number].textContent = cursor === null ? "" : text;
      });
    });
    if (cursor === null) { readout.textContent = ""; return; }
    const near = (7 / width()) * (view.to - view.from);
    const marks = shown.marks.filter(([at]) => Math.abs(at - cursor) <= near);
    marks.sort((one, other) => Math.abs(one[0] - cursor) - Math.abs(other[0] - cursor));
    const lines = marks.slice(0, 3).map(([at, , text]) => minute(at).slice(11) + "  " + text);
    for (const [from, to, text] of shown.bands) if (from <= cursor && cursor < to) lines.push(minute(from).slice(11) + "–" + minute(to).slice(11) + "  " + text);
    if (marks.length > 3) lines.push("and " + (marks.length - 3) + " more; zoom in to tell them apart");
    readout.textContent = [minute(cursor) + " UTC", ...lines].join("\n");
  };

  const zoom = (from, to) => {
    const least = Math.min(10 * MINUTE, shown.to - shown.from);
    const span = clamp(to - from, least, shown.to - shown.from);
    const start = clamp((from + to - span) / 2, shown.from, shown.to - span);
    view = { from: start, to: start + span };
    draw();
  };
  const all = () => zoom(shown.from, shown.to);
  const around = (factor) => {
    const isSeen = cursor !== null && cursor >= view.from && cursor <= view.to;
    const middle = isSeen ? cursor : (view.from + view.to) / 2;
    zoom(middle - (middle - view.from) * factor, middle + (view.to - middle) * factor);
  };
  const moveTo = (at) => {
    cursor = clamp(at, shown.from, shown.to - 1);
    const span = view.to - view.from;
    if (cursor < view.from || cursor > view.to) zoom(cursor - span / 2, cursor + span / 2);
    else drawCursor();
  };
  const select = (place) => {
    shown = timelines[place];
    view = { from: clamp(view.from, shown.from, shown.to), to: clamp(view.to, shown.from, shown.to) };
    if (view.from >= view.to) view = { from: shown.from, to: shown.to };
    stack.setAttribute("aria-label", "Timeline of " + shown.name);
    note.textContent = shown.note;
    shown.panels.forEach((data, number) => {
      const at = (place, text, className) => {
        const element = make("span", className || "", text);
        element.style.bottom = 100 * place + "%";
        return element;
      };
      one(".values", panels[number]).replaceChildren(...data.ticks.map(([place, text]) => at(place, text)));
      one(".levels", panels[number]).replaceChildren(...data.levels.map((level) => at(level.value / data.high, level.name + " " + level.value, level.under ? "under" : "")));
    });
    draw();
  };

  const xOf = (event) => clamp(event.clientX - over.getBoundingClientRect().left, 0, width());
  over.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drag = xOf(event);
    over.setPointerCapture(event.pointerId);
  });
  over.addEventListener("pointermove", (event) => {
    const x = xOf(event);
    if (drag !== null && Math.abs(x - drag) > 4) {
      brush.hidden = false;
      brush.style.left = Math.min(x, drag) + "px";
      brush.style.width = Math.abs(x - drag) + "px";
    }
    moveTo(toTime(x));
  });
  over.addEventListener("pointerup", (event) => {
    const x = xOf(event), from = drag;
    drag = null;
    brush.hidden = true;
    if (from !== null && Math.abs(x - from) > 4) zoom(toTime(Math.min(x, from)), toTime(Math.max(x, from)));
    else moveTo(toTime(x));
  });
  over.addEventListener("pointercancel", () => { drag = null; brush.hidden = true; });
  over.addEventListener("pointerleave", () => {
    if (drag === null && document.activeElement !== stack) { cursor = null; drawCursor(); }
  });
  over.addEventListener("dblclick", all);

  const nextMark = (direction) => {
    const from = cursor === null ? (direction > 0 ? view.from - 1 : view.to + 1) : cursor;
    const marks = shown.marks.map(([at]) => at).filter((at) => (direction > 0 ? at > from : at < from));
    if (marks.length > 0) moveTo(direction > 0 ? Math.min(...marks) : Math.max(...marks));
  };
  const step = () => Math.max((shown.to - shown.from) / decode(shown.panels[0].lines[0]).least.length, (view.to - view.from) / 300);
  const middle = () => (cursor === null ? (view.from + view.to) / 2 : cursor);
  const keys = {
    ArrowLeft: (event) => moveTo(middle() - step() * (event.shiftKey ? 10 : 1)),
    ArrowRight: (event) => moveTo(middle() + step() * (event.shiftKey ? 10 : 1)),
    Home: () => moveTo(view.from),
    End: () => moveTo(view.to),
    PageUp: () => nextMark(-1),
    PageDown: () => nextMark(1),
    "+": () => around(0.5),
    "=": () => around(0.5),
    "-": () => around(2),
    Escape: all,
  };
  stack.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(event);
  });
  const actions = { in: () => around(0.5), out: () => around(2), all };
  section.querySelectorAll("[data-action]").forEach((button) => button.addEventListener("click", actions[button.dataset.action]));
  if (choice) choice.addEventListener("change", () => select(Number(choice.value)));
  document.querySelectorAll("button[data-from]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      if (choice) choice.value = "0";
      select(0);
      const [from, to] = [Number(button.dataset.from), Number(button.dataset.to)];
      const around = Math.max(30 * MINUTE, (to - from) / 2);
      cursor = from;
      zoom(from - around, to + around);
      section.scrollIntoView();
      stack.focus({ preventScroll: true });
    });
  });
  section.querySelectorAll(".tools, .help, .readout").forEach((element) => { element.hidden = false; });
  new ResizeObserver(draw).observe(over);
})();

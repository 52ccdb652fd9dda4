"use strict";
// Tables, scatter and state of the page. Figures arrive as JSON: null is "not defined", "Infinity" an exact picture.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const BASELINES = ["nearest", "bicubic"];
const MODEL_COLORS = ["#2f7bff", "#f2822b", "#16a36a", "#b45be0", "#e0457b", "#12a5b5", "#a08a12", "#7b6cf6"];
const names = data.models.map((model) => model.name);
const colors = {};
names.filter((name) => !BASELINES.includes(name)).forEach((name, i) => { colors[name] = MODEL_COLORS[i % MODEL_COLORS.length]; });
colors.nearest = "#9aa0a8"; colors.bicubic = "#6b7280";
const columns = Object.keys(data.metrics);
const state = { set: 0, picture: 0, sort: null, eachSort: null };
const number = (value) => (value === null || value === undefined ? NaN : Number(value));
const current = () => data.sets[state.set];

function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties || {})) {
    if (key === "style" || key === "dataset") Object.assign(element[key], value);
    else if (key in element) element[key] = value; else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}
function figure(value, digits) {
  value = number(value);
  return Number.isNaN(value) ? "–" : value === Infinity ? "∞" : value.toFixed(digits);
}
function amount(value) {
  if (value === null) return "–";
  for (const [unit, size, digits] of [["G", 1e9, 1], ["M", 1e6, 2], ["K", 1e3, 1]]) if (value >= size) return (value / size).toFixed(digits) + " " + unit;
  return String(value);
}
function badness(metric, value) { // smaller is better, whatever the metric
  value = number(value);
  return metric.better === "lower" ? value : metric.better === "higher" ? -value : Math.abs(Math.log(value));
}
function bestOf(metric, values) { // a ratio that is ideal at 1 has no best: half the detail is not twice the grid
  if (metric.better === "one") return NaN;
  const scores = values.map((value) => badness(metric, value)).filter((score) => !Number.isNaN(score));
  return scores.length > 1 ? Math.min(...scores) : NaN;
}

// A table that is sorted by clicking its headings; columns are {key, title, hint, value(row), text(row), element(row)}.
function table(element, columnList, rows, order, choose, decorate) {
  const head = make("tr");
  columnList.forEach((column, index) => {
    const button = make("button", { type: "button", title: column.hint || "" }, column.title);
    const cell = make("th", { scope: "col" }, button);
    if (order && order.index === index) cell.setAttribute("aria-sort", order.up ? "ascending" : "descending");
    button.addEventListener("click", () => choose({ index, up: order && order.index === index ? !order.up : index === 0 || column.up === true }));
    head.append(cell);
  });
  const sorted = [...rows];
  if (order) {
    const value = columnList[order.index].value;
    const rank = (row) => { const v = value(row); return typeof v === "number" && Number.isNaN(v) ? null : v; };
    sorted.sort((a, b) => {
      const [x, y] = [rank(a), rank(b)];
      if (x === null || y === null) return (x === null) - (y === null); // undefined figures stay at the end
      const difference = typeof x === "string" ? x.localeCompare(y, undefined, { numeric: true }) : x - y || 0;
      return order.up ? difference : -difference;
    });
  }
  element.tHead.replaceChildren(head);
  element.tBodies[0].replaceChildren(...sorted.map((row) => {
    const line = make("tr");
    for (const column of columnList) line.append(column.element ? column.element(row) : make("td", { className: column.best && column.best(row) ? "best" : "" }, column.text(row)));
    if (decorate) decorate(line, row);
    return line;
  }));
}
function nameCell(name) {
  return make("td", { className: BASELINES.includes(name) ? "name baseline" : "name" }, make("span", { className: "swatch", style: { background: colors[name] } }), name);
}

function showMeans() {
  const set = current();
  const list = [{ title: "Model", value: (model) => names.indexOf(model.name), element: (model) => nameCell(model.name) }];
  let partial = false;
  for (const column of columns) {
    const metric = data.metrics[column], best = bestOf(metric, names.map((name) => set.means[name][column]));
    const undefinedFor = (name) => set.pictures.some((picture) => picture.figures[name][column] === null);
    list.push({
      title: metric.title, hint: `${column}: ${metric.meaning}; ${metric.better === "one" ? "1 is ideal" : metric.better + " is better"}`, up: metric.better === "lower",
      value: (model) => number(set.means[model.name][column]),
      best: (model) => badness(metric, set.means[model.name][column]) === best,
      text: (model) => { const some = set.means[model.name][column] !== null && undefinedFor(model.name); partial = partial || some; return figure(set.means[model.name][column], metric.digits) + (some ? "*" : ""); },
    });
  }
  list.push({ title: "Parameters", hint: "trainable", up: true, value: (model) => number(model.parameters), text: (model) => amount(model.parameters) });
  list.push({ title: "Multiply-adds", hint: "for 1280 × 720 pixels of output", up: true, value: (model) => number(model.multiply_adds), text: (model) => amount(model.multiply_adds) });
  list.push({ title: "s / megapixel", hint: "seconds per megapixel of output, on the measuring machine", up: true, value: (model) => number(set.seconds_per_megapixel[model.name]), text: (model) => figure(set.seconds_per_megapixel[model.name], 3) });
  table($("means"), list, data.models, state.sort, (order) => { state.sort = order; showMeans(); });
  const lr = set.origin;
  $("means-note").textContent = `${columns.join(", ")}: ${data.crop} pixels cut from each border. ${lr}.${partial ? " * not defined for every picture (too small)." : ""}`;
}

function showEach() {
  const set = current(), column = $("each-metric").value, metric = data.metrics[column];
  const list = [{
    title: "Picture", value: (row) => row.picture.name,
    element: (row) => {
      const button = make("button", { type: "button" }, make("img", { src: row.picture.thumbnail, alt: "", loading: "lazy" }), make("span", {}, row.picture.name));
      button.addEventListener("click", () => { showPicture(row.index); $("viewer").scrollIntoView({ block: "start" }); });
      return make("td", {}, button);
    },
  }];
  for (const name of names) {
    list.push({
      title: name, up: metric.better === "lower", value: (row) => number(row.picture.figures[name][column]), text: (row) => figure(row.picture.figures[name][column], metric.digits),
      best: (row) => badness(metric, row.picture.figures[name][column]) === bestOf(metric, names.map((other) => row.picture.figures[other][column])),
    });
  }
  const last = names[names.length - 1];
  if (!BASELINES.includes(last)) {
    const gain = (row) => number(row.picture.figures[last][column]) - number(row.picture.figures.bicubic[column]);
    list.push({ title: `${last} − bicubic`, value: gain, text: (row) => { const value = gain(row); return Number.isFinite(value) ? (value > 0 ? "+" : "") + value.toFixed(metric.digits) : "–"; } });
  }
  const rows = set.pictures.map((picture, index) => ({ picture, index }));
  table($("each"), list, rows, state.eachSort, (order) => { state.eachSort = order; showEach(); }, (line, row) => {
    line.dataset.index = row.index;
    if (row.index === state.picture) line.setAttribute("aria-current", "true");
  });
}

function svg(tag, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}
function ticks(low, high) {
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough);
  const list = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) list.push(k * step);
  return { list, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}
function showScatter() {
  const set = current(), keys = [$("axis-x").value, $("axis-y").value], metrics = keys.map((key) => data.metrics[key]);
  const points = names.map((name) => ({ name, at: keys.map((key) => number(set.means[name][key])) }));
  const small = $("dots").checked ? set.pictures.flatMap((picture) => names.map((name) => ({ name, picture, at: keys.map((key) => number(picture.figures[name][key])) }))) : [];
  const finite = (point) => point.at.every(Number.isFinite), chart = $("scatter"), box = { left: 70, right: 740, top: 16, bottom: 366 };
  chart.replaceChildren();
  const shown = [...points, ...small].filter(finite);
  if (!shown.length) { chart.append(svg("text", { x: 380, y: 200, "text-anchor": "middle" }, "not defined for this set")); return; }
  const ranges = [0, 1].map((axis) => {
    const values = shown.map((point) => point.at[axis]), low = Math.min(...values), high = Math.max(...values), room = (high - low || Math.abs(high) || 1) * 0.12;
    return [low - room, high + room];
  });
  const place = (at) => [box.left + ((at[0] - ranges[0][0]) / (ranges[0][1] - ranges[0][0])) * (box.right - box.left), box.bottom - ((at[1] - ranges[1][0]) / (ranges[1][1] - ranges[1][0])) * (box.bottom - box.top)];
  for (const axis of [0, 1]) {
    const { list, digits } = ticks(...ranges[axis]);
    for (const value of list) {
      const [x, y] = place(axis ? [ranges[0][0], value] : [value, ranges[1][0]]);
      chart.append(axis ? svg("line", { class: "rule", x1: box.left, x2: box.right, y1: y, y2: y }) : svg("line", { class: "rule", x1: x, x2: x, y1: box.top, y2: box.bottom }));
      chart.append(axis ? svg("text", { x: box.left - 8, y: y + 4, "text-anchor": "end" }, value.toFixed(digits)) : svg("text", { x, y: box.bottom + 20, "text-anchor": "middle" }, value.toFixed(digits)));
    }
  }
  const hint = (metric, lower, higher) => `${metric.title} ${metric.better === "lower" ? lower : metric.better === "higher" ? higher : "(1 is ideal)"}`;
  chart.append(svg("text", { x: (box.left + box.right) / 2, y: 410, "text-anchor": "middle" }, hint(metrics[0], "(← better)", "(better →)")));
  chart.append(svg("text", { x: 16, y: 190, "text-anchor": "middle", transform: "rotate(-90 16 190)" }, hint(metrics[1], "(← better)", "(better →)")));
  for (const point of small.filter(finite)) {
    const [x, y] = place(point.at), dot = svg("circle", { cx: x, cy: y, r: 3.5, fill: colors[point.name], opacity: 0.45 });
    dot.append(svg("title", {}, `${point.picture.name}, ${point.name}: ${figure(point.at[0], metrics[0].digits)}, ${figure(point.at[1], metrics[1].digits)}`));
    chart.append(dot);
  }
  for (const point of points.filter(finite)) {
    const [x, y] = place(point.at), dot = svg("circle", { class: "point", cx: x, cy: y, r: 8, fill: colors[point.name] }), toLeft = x > 620;
    dot.append(svg("title", {}, `${point.name}: ${figure(point.at[0], metrics[0].digits)}, ${figure(point.at[1], metrics[1].digits)}`));
    chart.append(dot, svg("text", { class: "method", x: x + (toLeft ? -13 : 13), y: y + 4, "text-anchor": toLeft ? "end" : "start" }, point.name));
  }
  $("scatter-note").textContent = `Means over ${set.name}. A method can be faithful to the picture or look natural; gains on one axis often cost quality on the other. ${metrics[1].title}: ${metrics[1].meaning}.`;
}

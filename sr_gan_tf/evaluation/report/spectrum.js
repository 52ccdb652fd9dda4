// One small chart per method: the power in frequency bands, compared with HR's; the line at 1 marks HR's power.
const BANDS = columns.filter((column) => column.startsWith("spectrum_"));
const BAND_TOP = 1.4; // bars are cut off here; their figures state the value

function showSpectrum() {
  const set = current();
  $("spectrum-card").hidden = !BANDS.length;
  $("spectrum").replaceChildren(...(BANDS.length ? names.map((name) => spectrumChart(name, set.means[name])) : []));
}
function spectrumChart(name, means) {
  const box = { left: 8, right: 232, top: 22, bottom: 118 }, width = (box.right - box.left) / BANDS.length;
  const height = (value) => box.bottom - (Math.min(value, BAND_TOP) / BAND_TOP) * (box.bottom - box.top);
  const values = BANDS.map((column) => number(means[column]));
  const label = BANDS.map((column, i) => `${data.metrics[column].title.replace("Power ", "")}: ${figure(values[i], 2)}`).join(", ");
  const chart = svg("svg", { viewBox: "0 0 240 140", role: "img", "aria-label": `${name}: ${label}` });
  values.forEach((value, i) => {
    const x = box.left + i * width, middle = x + width / 2, top = Number.isNaN(value) ? box.bottom : height(value);
    chart.append(svg("rect", { class: "band", x: x + 5, y: top, width: width - 10, height: box.bottom - top, fill: colors[name] }));
    chart.append(svg("text", { class: "method", x: middle, y: Math.max(top - 5, 12), "text-anchor": "middle" }, figure(value, 2)));
    chart.append(svg("text", { x: middle, y: box.bottom + 16, "text-anchor": "middle" }, data.metrics[BANDS[i]].title.replace("Power ", "")));
  });
  chart.append(svg("line", { class: "one", x1: box.left, x2: box.right, y1: height(1), y2: height(1) }));
  return make("figure", {}, chart, make("figcaption", {}, make("span", { className: "swatch", style: { background: colors[name] } }), name));
}

// State of the page, numbers in words, elements and charts.
const Page = (() => {
  "use strict";
  const data = JSON.parse(document.getElementById("report").textContent);
  const decode = Arithmetic.decode;
  const alphas = decode(data.alphas);
  const m = alphas.length;
  const exact = data.exact && {
    ...data.exact,
    basis: decode(data.exact.basis),
    s: decode(data.exact.s),
    u: decode(data.exact.u),
  };
  const steps = exact && m > 1 ? 8 : 1; // positions of the slider per gap of the grid
  const views = [];
  const state = { position: 0 };

  const $ = (id) => document.getElementById(id);

  // Make an element; children are elements or text, which is never read as HTML.
  function el(name, attributes = {}, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === true) node.setAttribute(key, "");
      else if (value !== false && value !== null && value !== undefined) {
        node.setAttribute(key, value);
      }
    }
    node.append(...children.map((child) => (child instanceof Node ? child : String(child))));
    return node;
  }

  function number(x, digits = 4) {
    if (x === null || x === undefined || Number.isNaN(x)) return "–";
    if (x === 0) return "0";
    if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
    const size = Math.abs(x);
    const text =
      size >= 1e6 || size < 1e-3
        ? x.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e")
        : String(Number(x.toPrecision(digits)));
    return text.replaceAll("-", "−");
  }

  // Fill a table: head a list of texts, rows lists of numbers or texts; the first is the row's name.
  function fill(table, head, rows) {
    const numeric = (cell) => typeof cell === "number" || cell === null;
    const body = el("tbody");
    for (const row of rows) {
      const tr = el("tr");
      row.forEach((cell, i) => {
        const text = cell instanceof Node ? cell : numeric(cell) ? number(cell) : cell;
        const kind = numeric(cell) ? { class: "number" } : {};
        tr.append(i ? el("td", kind, text) : el("th", { scope: "row", ...kind }, text));
      });
      body.append(tr);
    }
    const parts = [body];
    if (head) {
      const first = rows[0] ?? [];
      const cells = head.map((text, i) =>
        el("th", { scope: "col", ...(numeric(first[i]) ? { class: "number" } : {}) }, text),
      );
      parts.unshift(el("thead", {}, el("tr", {}, ...cells)));
    }
    table.replaceChildren(...parts);
  }

  // The table behind a plot, filled when it is opened; make: () => [head, rows].
  function tabulate(id, label, make) {
    const box = $(id);
    const details = box.closest("details");
    const table = el("table", { "aria-label": label });
    box.append(table);
    box.tabIndex = 0;
    const draw = () => {
      if (details.open) fill(table, ...make());
    };
    details.addEventListener("toggle", draw);
    return draw;
  }

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const faint = (name, share) => {
    const hex = css(name).slice(1);
    const part = (i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16);
    return `rgba(${part(0)}, ${part(1)}, ${part(2)}, ${share})`;
  };

  const LINES = ["blue", "orange", "green", "pink", "sky", "amber"];
  const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];
  const SHAPES = ["circle", "triangle", "rect", "rectRot", "crossRot", "star"];

  function style(i) {
    return { color: css(LINES[i % 6]), dash: DASHES[Math.floor(i / 6) % 4], shape: SHAPES[i % 6] };
  }

  // Vertical lines at marked values of x: chart.$marks = [{x, label, color, dash, width}].
  const marks = {
    id: "marks",
    afterDatasetsDraw(chart) {
      const area = chart.chartArea;
      const ctx = chart.ctx;
      const taken = [];
      ctx.save();
      ctx.font = "12px system-ui, sans-serif";
      for (const mark of chart.$marks ?? []) {
        const x = chart.scales.x.getPixelForValue(mark.x);
        if (!(x >= area.left - 1 && x <= area.right + 1)) continue;
        ctx.strokeStyle = mark.color;
        ctx.lineWidth = mark.width ?? 1.5;
        ctx.setLineDash(mark.dash ?? []);
        ctx.beginPath();
        ctx.moveTo(x, area.top);
        ctx.lineTo(x, area.bottom);
        ctx.stroke();
        if (!mark.label) continue;
        const size = ctx.measureText(mark.label).width;
        const left = x + 5 + size > area.right;
        const from = left ? x - 5 - size : x + 5;
        let row = 0;
        while (taken.some((t) => t.row === row && from < t.to + 6 && t.from < from + size + 6)) row++;
        taken.push({ row, from, to: from + size });
        ctx.fillStyle = css("back");
        ctx.globalAlpha = 0.8;
        ctx.fillRect(from - 2, area.top + 2 + 16 * row, size + 4, 15);
        ctx.globalAlpha = 1;
        ctx.fillStyle = mark.color;
        ctx.fillText(mark.label, from, area.top + 14 + 16 * row);
      }
      ctx.restore();
    },
  };

  const charts = [];

  // A small picture of a mark, for legends, which would stretch it.
  function mark(set) {
    const picture = el("canvas", { width: 14, height: 14 });
    const ctx = picture.getContext("2d");
    ctx.strokeStyle = set.borderColor;
    ctx.fillStyle = set.backgroundColor;
    ctx.lineWidth = 2;
    ctx.beginPath();
    if (set.pointStyle === "crossRot") {
      ctx.moveTo(2, 2);
      ctx.lineTo(12, 12);
      ctx.moveTo(12, 2);
      ctx.lineTo(2, 12);
    } else {
      ctx.arc(7, 7, 4.5, 0, 2 * Math.PI);
      ctx.fill();
    }
    ctx.stroke();
    return picture;
  }

  // Entries of a legend: a line as it is drawn, or the mark of points.
  function legend(made) {
    return made.data.datasets.flatMap((set, i) => {
      if (set.label === "") return [];
      const points = set.showLine === false;
      return {
        text: set.label,
        datasetIndex: i,
        hidden: !made.isDatasetVisible(i),
        fontColor: css("text"),
        fillStyle: points ? set.backgroundColor : set.borderColor,
        strokeStyle: set.borderColor,
        lineWidth: points ? 1.5 : 2,
        lineDash: points ? [] : (set.borderDash ?? []),
        pointStyle: points ? mark(set) : "line",
      };
    });
  }

  function tick(value, axis) {
    if (axis.type !== "logarithmic") return number(value, 3);
    const place = Math.log10(value);
    const span = Math.log10(axis.max / axis.min);
    const digit = Math.round(value / 10 ** Math.floor(place + 1e-9));
    if (span < 2 && [1, 2, 5].includes(digit)) return number(value, 3);
    if (Math.abs(place - Math.round(place)) > 1e-6) return "";
    if (Math.round(place) % Math.ceil(span / 7)) return "";
    return number(value, 3);
  }

  // Make a chart of lines and points; x, y: {title, log, min, max}.
  function chart(id, label, x, y, more = {}) {
    const canvas = $(id);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
    const scale = (axis) => ({
      type: axis.log ? "logarithmic" : "linear",
      min: axis.min,
      max: axis.max,
      title: { display: true, text: axis.title },
      grid: {},
      ticks: {
        maxRotation: 0,
        includeBounds: Boolean(axis.log),
        callback(value) {
          return tick(value, this);
        },
      },
    });
    const made = new Chart(canvas, {
      type: "scatter",
      data: { datasets: [] },
      plugins: [marks],
      options: {
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        showLine: true,
        normalized: true,
        scales: { x: scale(x), y: scale(y) },
        elements: { point: { radius: 0, hitRadius: 4 } },
        interaction: { mode: "nearest", intersect: false },
        plugins: {
          legend: {
            position: "bottom",
            labels: { usePointStyle: true, pointStyleWidth: 30, boxHeight: 7, generateLabels: legend },
          },
          tooltip: {
            filter: (item) => item.dataset.label !== "",
            callbacks: {
              title: (items) => (items.length ? `${x.short ?? x.title}: ${number(items[0].parsed.x)}` : ""),
              label: (item) => `${item.dataset.label}: ${number(item.parsed.y)}`,
            },
          },
        },
        ...more,
      },
    });
    charts.push(made);
    paint(made);
    return made;
  }

  function paint(made) {
    const { scales, plugins } = made.options;
    for (const axis of [scales.x, scales.y]) {
      axis.grid.color = css("grid");
      axis.ticks.color = css("quiet");
      axis.title.color = css("quiet");
    }
    plugins.legend.labels.color = css("text");
  }

  // A line of (x, y) points in the i-th style.
  function line(label, x, y, i, more = {}) {
    const { color, dash } = style(i);
    return {
      label,
      data: Array.from(x, (a, k) => ({ x: a, y: y[k] })),
      borderColor: color,
      backgroundColor: color,
      borderDash: dash,
      borderWidth: 2,
      ...more,
    };
  }

  function alpha() {
    const at = state.position / steps;
    const i = Math.min(Math.floor(at), m - 1);
    const share = at - i;
    return share ? alphas[i] * (alphas[i + 1] / alphas[i]) ** share : alphas[i];
  }

  // The fit that is shown where nothing is exact.
  const fit = () => Arithmetic.nearest(alphas, alpha());
  const between = () => state.position % steps !== 0;

  // A view is drawn when the slider moves while it is in sight, and else when it comes into sight.
  function view(id, draw) {
    const one = { draw, seen: true, stale: true };
    views.push(one);
    new IntersectionObserver(
      (entries) => {
        one.seen = entries.at(-1).isIntersecting;
        if (one.seen && one.stale) refresh(one);
      },
      { rootMargin: "200px" },
    ).observe($(id));
  }

  function refresh(one) {
    one.stale = false;
    one.draw();
  }

  function draw(every = false) {
    for (const one of views) {
      if (one.seen || every) refresh(one);
      else one.stale = true;
    }
  }

  function move(position) {
    state.position = Math.max(0, Math.min((m - 1) * steps, Math.round(position)));
    $("alpha").value = state.position;
    draw();
  }

  function theme(choice) {
    const dark = choice ? choice === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    charts.forEach(paint);
    draw(true);
    charts.forEach((made) => made.update("none"));
  }

  return {
    data, decode, alphas, m, exact, steps, state, $, el, number, fill, tabulate, css, faint, style,
    chart, charts, line, alpha, fit, between, view, draw, move, theme,
  };
})();

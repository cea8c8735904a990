// The loss, the penalty and the path of any two coefficients; shrinkage of singular directions.
const Geometry = (() => {
  "use strict";
  const { data, decode, alphas, m, exact, $, el, number, css, faint } = Page;
  const plane = data.plane;
  const K = plane.names.length;
  const w = decode(plane.w);
  const d1 = decode(plane.d1);
  const d2 = decode(plane.d2);
  const scale = decode(plane.scale);
  const squares = decode(data.squares);
  const { l1, l2 } = data.model;

  // Gradient, curvature and point (two numbers each, four of h) of two coefficients at the slider.
  function local(a, b) {
    const j = Page.fit();
    const q = Decay.quadratic(j);
    const h = [q.H[a * K + a], q.H[a * K + b], q.H[b * K + a], q.H[b * K + b]];
    if (exact && Page.between()) {
      const all = Arithmetic.ridgeAt(exact, Page.alpha());
      const at = [a, b].map((i) => all[exact.features[i]] * scale[i]);
      // at the minimum of ridge, the gradient of the loss is that of the penalty reversed
      return { at, h, g: [a, b].map((i, k) => -2 * l2 * Page.alpha() * d2[i] * at[k]) };
    }
    return { at: [q.at[a], q.at[b]], h, g: [q.g[a], q.g[b]] };
  }

  function setUp() {
    const reason = {
      ball: "",
      group: "The penalty of a multi-task fit is on the norm over the targets: two coefficients of one target do not show it.",
      matrix: "With a penalty matrix or a prior mean, the penalty of two coefficients depends on the others.",
      bounded: "",
    }[plane.shape];
    if (reason || K < 2) {
      $("geometry-part").hidden = true;
      $("geometry-none").hidden = false;
      $("geometry-none").textContent = reason || "There is one coefficient: geometry needs two.";
      return;
    }
    for (const [id, first] of [["x", 0], ["y", 1]]) {
      const select = $(`geometry-${id}`);
      select.append(...plane.names.map((name, i) => el("option", { value: i, selected: i === first }, name)));
      select.addEventListener("change", () => Page.draw());
    }
    $("geometry-equal").addEventListener("change", () => Page.draw());
    $("geometry-equal").checked = alike(0, 1);
    const made = Page.chart("geometry-chart", "Loss and penalty", { title: "" }, { title: "" });
    const table = Page.tabulate("geometry-table", "Path of the two coefficients", () => {
      const [a, b] = pair();
      return [
        ["alpha", plane.names[a], plane.names[b]],
        Array.from(alphas, (x, j) => [x, w[j * K + a], w[j * K + b]]),
      ];
    });
    Page.view("geometry", () => {
      draw(made);
      table();
    });
    shrinkage();
  }

  // Whether two coefficients can be drawn in equal units: their paths have similar extents.
  function alike(a, b) {
    const extent = (i) => Math.max(...Array.from(alphas, (_, j) => Math.abs(w[j * K + i])));
    const ratio = extent(a) / extent(b);
    return ratio > 0.2 && ratio < 5;
  }

  const pair = () => ["x", "y"].map((id) => Number($(`geometry-${id}`).value));

  function curve(label, points, colour, more = {}) {
    return {
      label, data: points, borderColor: css(colour), backgroundColor: css(colour), borderWidth: 1.5, ...more,
    };
  }

  function draw(made) {
    const [a, b] = pair();
    const { at, h, g } = local(a, b);
    const alpha = Page.alpha();
    const same = a === b;
    const step = same ? null : Arithmetic.solve(Float64Array.from(h), [-g[0], -g[1]]);
    const centre = step ? [at[0] + step[0], at[1] + step[1]] : null;
    // height of the loss at the fit above its minimum in this plane
    const height = step ? -(g[0] * step[0] + g[1] * step[1]) / 2 : 0;
    const path = Array.from(alphas, (_, j) => ({ x: w[j * K + a], y: w[j * K + b] }));
    const sets = [];
    const span = bounds([...path, { x: 0, y: 0 }, ...(centre ? [{ x: centre[0], y: centre[1] }] : [])]);
    if (centre) {
      // even steps from the minimum to the loss at no coefficients
      const [x, y] = centre;
      const most = (h[0] * x * x + 2 * h[1] * x * y + h[3] * y * y) / 2;
      [0.2, 0.4, 0.6, 0.8, 1].forEach((share, i) => {
        sets.push(
          curve(i ? "" : "contours of the loss", Arithmetic.ellipse(centre, h, most * share ** 2), "blue", {
            borderColor: faint("blue", 0.5), borderWidth: 1.25,
          }),
        );
      });
      if (height > 1e-9 * most) {
        const points = Arithmetic.ellipse(centre, h, height);
        sets.push(curve("contour through the fit", points, "blue", { borderWidth: 2.5 }));
      }
    }
    const value = [a, b].reduce((sum, i, k) => sum + l1 * d1[i] * Math.abs(at[k]) + l2 * d2[i] * at[k] ** 2, 0);
    const free = [a, b].some((i) => d2[i] === 0);
    if (value > 0 && !free) {
      const points = Arithmetic.ball(l1, l2, [d1[a], d1[b]], [d2[a], d2[b]], value);
      sets.push(
        curve(penaltyName(), points, "orange", {
          borderWidth: 2.5, borderDash: [8, 4], fill: "shape", backgroundColor: faint("orange", 0.1),
        }),
      );
    }
    sets.push(curve("path of solutions", path, "green", { borderWidth: 2, pointRadius: 2, pointStyle: "rect" }));
    if (centre) {
      sets.push(
        curve("no penalty on these two", [{ x: centre[0], y: centre[1] }], "pink", {
          showLine: false, pointRadius: 7, pointStyle: "crossRot", borderWidth: 2.5,
        }),
      );
    }
    sets.push(
      curve("fit at the slider", [{ x: at[0], y: at[1] }], "black", { showLine: false, pointRadius: 6 }),
    );
    made.data.datasets = sets;
    frame(made, span);
    made.options.scales.x.title.text = plane.names[a];
    made.options.scales.y.title.text = plane.names[b];
    const about =
      data.model.loss === "squared" ? "" : " The contours are those of the loss to second order.";
    $("geometry-text").textContent = same
      ? "Choose two different coefficients."
      : `With the other coefficients as they are at alpha = ${number(alpha)}: ` +
        `${plane.names[a]} = ${number(at[0])} and ${plane.names[b]} = ${number(at[1])}` +
        (centre ? `; without a penalty on these two, ${number(centre[0])} and ${number(centre[1])}` : "") +
        `. The fit is where a contour of the loss touches the ${l1 > 0 ? (l2 > 0 ? "rounded diamond" : "diamond") : "circle"} of the penalty.` +
        about;
    made.canvas.setAttribute("aria-label", $("geometry-text").textContent);
    made.update("none");
  }

  const penaltyName = () =>
    l1 > 0 ? (l2 > 0 ? "penalty: L1 and L2" : "penalty: L1") : "penalty: L2";

  function bounds(points) {
    const side = (key) => {
      const all = points.map((p) => p[key]).filter(Number.isFinite);
      const [low, high] = [Math.min(...all), Math.max(...all)];
      const room = 0.18 * (high - low) || 0.5 * Math.abs(high) || 1;
      return [low - room, high + room];
    };
    return { x: side("x"), y: side("y") };
  }

  // Set the axes, with the same units on both where that is asked for.
  function frame(made, span) {
    let { x, y } = span;
    const area = made.chartArea ?? { width: 1, height: 1 };
    const [width, height] = [area.width || 1, area.height || 1];
    if ($("geometry-equal").checked) {
      const unit = Math.max((x[1] - x[0]) / width, (y[1] - y[0]) / height);
      const grow = ([low, high], size) => {
        const more = (unit * size - (high - low)) / 2;
        return [low - more, high + more];
      };
      x = grow(x, width);
      y = grow(y, height);
    }
    Object.assign(made.options.scales.x, { min: x[0], max: x[1] });
    Object.assign(made.options.scales.y, { min: y[0], max: y[1] });
  }

  function shrinkage() {
    if (!squares) {
      $("shrinkage-part").hidden = true;
      $("shrinkage-none").hidden = false;
      $("shrinkage-none").textContent = {
        none: "An L1 part shrinks each coefficient by about the same amount, and the small ones to 0: there are no shares by direction, as ridge has.",
        ridge: "The share that ridge keeps in each singular direction is shown for up to 1,000 features or rows.",
        glm: "Ridge keeps a share of each singular direction that is known before the fit. Here the directions depend on the fit, by the curvature of its loss: the degrees of freedom in the lambda sweep are the sum of the shares.",
      }[l1 > 0 ? "none" : data.model.kind];
      return;
    }
    const n = squares.length;
    const made = Page.chart(
      "shrinkage-chart", "Share that ridge keeps in each singular direction",
      { title: "singular direction, from the largest", short: "direction", min: 1, max: Math.max(n, 2) },
      { title: "share that is kept, s² / (s² + alpha)", min: 0, max: 1.02 },
    );
    const shares = () => Array.from(squares, (s) => s / (s + Page.alpha()));
    const table = Page.tabulate("shrinkage-table", "Shares of singular directions", () => [
      ["direction", "s²", "share kept"],
      shares().map((share, i) => [i + 1, squares[i], share]),
    ]);
    Page.view("geometry", () => {
      const share = shares();
      const total = share.reduce((sum, x) => sum + x, 0);
      const directions = Array.from(squares, (_, i) => i + 1);
      made.data.datasets = [
        Page.line(`alpha = ${number(Page.alpha(), 3)}: ${number(total)} degrees of freedom`, directions, share, 0, {
          pointRadius: n <= 60 ? 3.5 : 0, fill: "origin", backgroundColor: faint("blue", 0.15),
        }),
        Page.line("half: s² = alpha", [1, Math.max(n, 2)], [0.5, 0.5], 1, { borderDash: [6, 4], borderWidth: 1.5 }),
      ];
      made.canvas.setAttribute("aria-label", `Shares that are kept add up to ${number(total)} degrees of freedom`);
      table();
      made.update("none");
    });
  }

  return { setUp, local };
})();

// Weight decay step by step, on the quadratic of the fit or on a number alone.
const Decay = (() => {
  "use strict";
  const { data, decode, alphas, $, el, number, line, css } = Page;
  const plane = data.plane;
  const K = plane.names.length;
  const w = decode(plane.w);
  const g = decode(plane.g);
  const H = decode(plane.H);
  const d2 = decode(plane.d2);
  const chosen = data.curves.chosen;
  const MODES = ["coupled", "decoupled", "independent"];
  const HOW = { coupled: "coupled (L2)", decoupled: "decoupled", independent: "independent" };
  let chart, factors, table, shown, timer = null;

  // The mean deviance near the fit of a penalty, as a quadratic of the features of the page.
  function quadratic(j) {
    const size = K * K;
    const from = H.length > size ? j * size : 0;
    return {
      at: w.subarray(j * K, (j + 1) * K),
      g: g.subarray(j * K, (j + 1) * K),
      H: H.subarray(from, from + size),
    };
  }

  // Largest eigenvalue of H, by power iterations.
  function largest(q) {
    let v = new Float64Array(K).fill(1);
    let size = 0;
    for (let t = 0; t < 200; t++) {
      const u = Arithmetic.gradient({ at: new Float64Array(K), g: new Float64Array(K), H: q.H }, v);
      size = Math.hypot(...u);
      if (!(size > 0)) return 0;
      v = u.map((x) => x / size);
    }
    return size;
  }

  const field = (x, digits) => (x < 1e-3 ? x.toExponential(digits - 1) : String(Number(x.toPrecision(digits))));

  function options() {
    return {
      optimizer: $("decay-optimizer").value,
      mode: $("decay-mode").value,
      lr: Number($("decay-lr").value),
      lambda: Number($("decay-lambda").value),
      schedule: $("decay-schedule").value,
      steps: Number($("decay-steps").value),
      start: $("decay-start").value,
      own: Number($("decay-own").value),
      feature: $("decay-feature").value,
    };
  }

  function problem(o) {
    for (const [name, text] of [["lr", "learning rate"], ["lambda", "λ"]]) {
      if (!(o[name] >= 0 && Number.isFinite(o[name]))) return `The ${text} is not a number of at least 0.`;
    }
    if (!(Number.isInteger(o.steps) && o.steps >= 1 && o.steps <= 2000)) {
      return "The number of steps is not a whole number from 1 to 2000.";
    }
    return Number.isFinite(o.own) ? "" : "The number to start at is not a number.";
  }

  // The trajectories of the three modes.
  function run(o) {
    const alone = o.feature === "own";
    const q = alone ? null : quadratic(chosen);
    const j = alone ? 0 : Number(o.feature);
    let start = new Float64Array(alone ? 1 : K);
    const free = alone ? null : Arithmetic.minimum(q, 0, null);
    if (alone) start[0] = o.own;
    else if (o.start === "free" && free) start = free;
    else if (o.start === "own") {
      start = Float64Array.from(q.at);
      start[j] = o.own;
    }
    const factor = alone ? null : d2;
    const all = {};
    for (const mode of MODES) {
      const found = Arithmetic.trajectory(
        q, start,
        {
          optimizer: o.optimizer, mode, lr: o.lr, weightDecay: 2 * o.lambda, factor,
          momentum: 0.9, beta1: 0.9, beta2: 0.999, eps: 1e-8, schedule: o.schedule,
        },
        o.steps,
      );
      all[mode] = found.map((x) => x[j]);
    }
    const strength = factor ? factor[j] : 1;
    const shrink = Array.from({ length: o.steps }, (_, t) => {
      const lr = o.schedule === "linear" ? o.lr * (1 - t / o.steps) : o.lr;
      const scale = o.mode === "independent" ? lr / o.lr : lr;
      return 1 - 2 * (o.lr === 0 && o.mode === "independent" ? 1 : scale) * o.lambda * strength;
    });
    const product = [1];
    for (const f of shrink) product.push(product.at(-1) * f);
    return {
      o, alone, all, shrink, product, strength,
      free: free ? free[j] : null,
      best: alone ? 0 : (Arithmetic.minimum(q, o.lambda, d2) ?? [null])[j],
      q,
    };
  }

  function setUp() {
    const options_ = plane.names.map((name, i) => el("option", { value: i }, name));
    $("decay-feature").append(...options_, el("option", { value: "own" }, "a number of my own"));
    const q = quadratic(chosen);
    const top = largest(q);
    // of a penalty without an L2 part, a tenth of the largest curvature
    const lambda = data.model.l2 > 0 ? data.model.l2 * alphas[chosen] : top / 20;
    $("decay-lasso").hidden = data.model.l2 > 0;
    $("decay-lambda").value = field(lambda, 6);
    $("decay-lr").value = field(0.4 / (top / 2 + lambda * Math.max(...d2)) || 0.1, 3);
    chart = Page.chart("decay-chart", "The coefficient after each step", { title: "step" }, { title: data.model.standardize ? "coefficient per standard deviation" : "coefficient" });
    factors = Page.chart("factor-chart", "Product of the decay factors", { title: "step" }, { title: "share of the start" });
    table = Page.tabulate("decay-table", "Steps", () => {
      const head = ["step", ...MODES.map((mode) => HOW[mode]), "factor", "product"];
      const rows = shown.all.coupled.map((_, t) => [
        t, ...MODES.map((mode) => shown.all[mode][t]), t ? shown.shrink[t - 1] : null, shown.product[t],
      ]);
      return [head, rows];
    });
    const fields = ["feature", "start", "own", "optimizer", "mode", "lr", "lambda", "schedule", "steps"];
    for (const name of fields) {
      $(`decay-${name}`).addEventListener(name === "own" ? "input" : "change", change);
    }
    $("decay-form").addEventListener("submit", (event) => event.preventDefault());
    $("decay-step").addEventListener("input", () => {
      stop();
      at();
    });
    $("decay-play").addEventListener("click", () => (timer === null ? play() : stop()));
    change();
    // the steps do not depend on the slider of the penalty: only colours may have changed
    Page.view("decay", () => shown && at());
  }

  function change() {
    stop();
    const o = options();
    const alone = o.feature === "own";
    $("decay-start").disabled = alone;
    $("decay-own-label").hidden = !(alone || o.start === "own");
    const wrong = problem(o);
    $("decay-problem").textContent = wrong;
    $("decay-problem").hidden = !wrong;
    if (wrong) return;
    shown = run(o);
    $("decay-caption").textContent = alone
      ? "The number after each step, without a loss"
      : `Coefficient of ${plane.names[Number(o.feature)]} after each step`;
    const slider = $("decay-step");
    slider.max = o.steps;
    slider.value = o.steps;
    $("decay-half").textContent = half(o);
    agree();
    table();
    at();
  }

  function half(o) {
    const t = shown.product.findIndex((x) => Math.abs(x) <= 0.5);
    if (o.lambda === 0 || shown.shrink.every((f) => f === 1)) return "no number of steps: nothing decays";
    if (t > 0) return `${t} step${t === 1 ? "" : "s"}`;
    const f = shown.shrink[0];
    if (o.schedule === "constant" && f > 0) return `${number(Math.log(0.5) / Math.log(f), 4)} steps`;
    return "more steps than these";
  }

  // Which modes agree, by their largest difference.
  function agree() {
    const { o, all } = shown;
    const difference = (a, b) => Math.max(...all[a].map((x, t) => Math.abs(x - all[b][t])));
    const size = Math.max(...all.coupled.map(Math.abs), 1e-300);
    const off = difference("coupled", "decoupled");
    const name = { sgd: "SGD", momentum: "SGD with momentum", adam: "Adam" }[o.optimizer];
    const same = off <= 1e-9 * size;
    const grows = !Number.isFinite(off) || Math.max(...all[o.mode].map(Math.abs)) > 1e6 * Math.max(Math.abs(shown.best ?? 0), Math.abs(all[o.mode][0]), 1e-6);
    $("decay-agree").textContent = grows
      ? "The steps grow without bound: the learning rate is too large for this loss."
      : same
        ? `With ${name}, coupled and decoupled decay take the same steps: they differ by ${number(off, 2)} at most.`
        : `With ${name}, coupled and decoupled decay differ: by up to ${number(off, 3)} in these steps.` +
          (o.optimizer === "adam" ? " Adam divides the gradient by its size, and with coupled decay the penalty in it, too." : "");
    if (!grows && !shown.alone && shown.best !== null) $("decay-agree").textContent += arrived();
    const size2 = 1 - 2 * o.lambda * shown.strength;
    if (!grows && size2 < -1) {
      $("decay-agree").textContent +=
        ` Independent decay, whose factor is 1 − 2λ = ${number(size2, 3)} here, grows without bound: it needs a λ below 1.`;
    }
    $("decay-agree").dataset.difference = off;
  }

  // How far the last step of the chosen mode is from the minimum, where it is far.
  function arrived() {
    const { o, all, best } = shown;
    const last = all[o.mode].at(-1);
    const size = Math.max(Math.abs(best), Math.abs(all[o.mode][0] - best), 1e-300);
    // Adam's own minima differ
    if (o.optimizer === "adam" || o.mode === "independent" || Math.abs(last - best) <= 0.05 * size) return "";
    return (
      ` After these steps w is ${number(last)}, and the minimum is at ${number(best)}: ` +
      "features on unlike scales, or nearly dependent ones, need many steps."
    );
  }

  function at() {
    const t = Number($("decay-step").value);
    const { o, all, shrink, product } = shown;
    const steps = Array.from({ length: t + 1 }, (_, i) => i);
    const { min, max } = extent();
    Object.assign(chart.options.scales.y, { min, max });
    const inside = (values) => {
      const end = values.findIndex((x) => !(x >= min && x <= max));
      return end < 0 ? values : values.slice(0, end + 1);
    };
    chart.data.datasets = MODES.map((mode, i) =>
      line(HOW[mode], steps.slice(0, inside(all[mode]).length), all[mode], i, {
        borderDash: [[], [8, 5], [2, 4]][i],
        borderWidth: mode === o.mode ? 5 : 1.75,
        order: mode === o.mode ? 1 : 0, // the chosen one below, so that equal ones are seen
      }),
    );
    const level = (label, value, colour, dash) => ({
      label, data: [{ x: 0, y: value }, { x: o.steps, y: value }],
      borderColor: css(colour), backgroundColor: css(colour), borderDash: dash, borderWidth: 1.25,
    });
    if (!shown.alone) {
      if (shown.free !== null) chart.data.datasets.push(level("minimum without penalty", shown.free, "quiet", [3, 3]));
      if (shown.best !== null) chart.data.datasets.push(level("minimum with penalty", shown.best, "black", [10, 3]));
    }
    factors.data.datasets = [line(`${HOW[o.mode]}: product of the factors`, steps, product, 0)];
    for (const made of [chart, factors]) {
      made.options.scales.x.min = 0;
      made.options.scales.x.max = o.steps;
    }
    factors.options.scales.y.max = 1;
    factors.options.scales.y.min = Math.min(0, ...product);
    const value = all[o.mode][t];
    const factor = t ? shrink[t - 1] : null;
    const own = Math.abs(shown.strength - 1) < 1e-9 ? "" : ` · ${number(shown.strength)}`;
    const law = (o.mode === "independent" ? "1 − 2 (lr / lr₀) λ" : "1 − 2 lr λ") + own;
    $("decay-step").setAttribute("aria-valuetext", `step ${t} of ${o.steps}: ${number(value)}`);
    $("decay-text").textContent =
      `Step ${t} of ${o.steps}: w = ${number(value, 6)}. ` +
      (t ? `Factor ${law} = ${number(factor, 6)}; product of the factors so far ${number(product[t], 6)}.` : "");
    chart.canvas.setAttribute("aria-label", `Trajectories up to step ${t}; ${HOW[o.mode]}: ${number(value)}`);
    chart.update("none");
    factors.update("none");
  }

  // Limits that show the chosen mode and the minima: another that grows without bound is cut off.
  function extent() {
    const { o, all, free, best } = shown;
    const seen = [...all[o.mode], free ?? 0, best ?? 0].filter(Number.isFinite);
    const [low, high] = [Math.min(...seen), Math.max(...seen)];
    const room = 3 * (high - low) || 1;
    const others = MODES.flatMap((mode) => all[mode]).filter(Number.isFinite);
    const ends = [Math.min(...others), Math.max(...others)];
    const least = Math.min(low, Math.max(ends[0], low - room));
    const most = Math.max(high, Math.min(ends[1], high + room));
    const margin = 0.05 * (most - least) || 1;
    return { min: least - margin, max: most + margin };
  }

  function play() {
    const slider = $("decay-step");
    if (Number(slider.value) >= Number(slider.max)) slider.value = 0;
    $("decay-play").textContent = "Pause";
    const stride = Math.max(1, Math.round(Number(slider.max) / 150));
    timer = setInterval(() => {
      slider.value = Number(slider.value) + stride;
      at();
      if (Number(slider.value) >= Number(slider.max)) stop();
    }, 50);
  }

  function stop() {
    if (timer !== null) clearInterval(timer);
    timer = null;
    $("decay-play").textContent = "Play";
  }

  return { setUp, quadratic };
})();

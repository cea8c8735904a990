// The arithmetic of the page, without the page: fastridge's own numbers are tested against it.
const Arithmetic = (() => {
  "use strict";

  // Return the numbers of an encoded array, {f8 or f4: base64, shape}; null of null.
  function decode(value) {
    if (value === null || value === undefined) return null;
    const text = atob(value.f8 ?? value.f4);
    const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
    if (value.f8 !== undefined) return new Float64Array(bytes.buffer);
    return Float64Array.from(new Float32Array(bytes.buffer));
  }

  // Return [d, w] with the decay applied to the gradient d or to the coefficient w.
  function decayed(w, d, o, factor) {
    const c = o.weightDecay * factor;
    if (o.mode === "coupled") return [d + c * w, w];
    if (o.mode === "decoupled") return [d, (1 - o.lr * c) * w];
    return [d, (1 - (o.lr / o.lr0) * c) * w];
  }

  // One step of all coefficients. state: {} at first; t: number of the step, from 1 on.
  function step(w, g, state, o, t) {
    const n = w.length;
    const out = new Float64Array(n);
    const m = state.m ?? (state.m = new Float64Array(n));
    const v = state.v ?? (state.v = new Float64Array(n));
    for (let j = 0; j < n; j++) {
      const [d, x] = decayed(w[j], g[j], o, o.factor ? o.factor[j] : 1);
      if (o.optimizer === "sgd") {
        out[j] = x - o.lr * d;
      } else if (o.optimizer === "momentum") {
        m[j] = t === 1 ? d : o.momentum * m[j] + d;
        out[j] = x - o.lr * m[j];
      } else {
        m[j] = o.beta1 * m[j] + (1 - o.beta1) * d;
        v[j] = o.beta2 * v[j] + (1 - o.beta2) * d * d;
        const u = m[j] / (1 - o.beta1 ** t) / (Math.sqrt(v[j] / (1 - o.beta2 ** t)) + o.eps);
        out[j] = x - o.lr * u;
      }
    }
    return out;
  }

  // Gradient of g'v + 1/2 v'H v at v = w - at; H row by row.
  function gradient(q, w) {
    const n = w.length;
    const out = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      let sum = q.g[i];
      for (let j = 0; j < n; j++) sum += q.H[i * n + j] * (w[j] - q.at[j]);
      out[i] = sum;
    }
    return out;
  }

  // Coefficients after 0, 1, ..., steps steps; schedule: "constant" or "linear", to 0.
  function trajectory(q, start, o, steps) {
    const all = [Float64Array.from(start)];
    const state = {};
    for (let t = 1; t <= steps; t++) {
      const lr = o.schedule === "linear" ? o.lr * (1 - (t - 1) / steps) : o.lr;
      const w = all[t - 1];
      const g = q ? gradient(q, w) : new Float64Array(w.length);
      all.push(step(w, g, state, { ...o, lr, lr0: o.lr }, t));
    }
    return all;
  }

  // Solve H x = b for symmetric positive definite H by Cholesky's method; null where it is not.
  function solve(H, b) {
    const n = b.length;
    const L = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        let sum = H[i * n + j];
        for (let k = 0; k < j; k++) sum -= L[i * n + k] * L[j * n + k];
        if (i === j) {
          if (!(sum > 1e-13 * H[i * n + i])) return null;
          L[i * n + i] = Math.sqrt(sum);
        } else {
          L[i * n + j] = sum / L[j * n + j];
        }
      }
    }
    const x = Float64Array.from(b);
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < i; k++) x[i] -= L[i * n + k] * x[k];
      x[i] /= L[i * n + i];
    }
    for (let i = n - 1; i >= 0; i--) {
      for (let k = i + 1; k < n; k++) x[i] -= L[k * n + i] * x[k];
      x[i] /= L[i * n + i];
    }
    return x;
  }

  // Minimum of g'v + 1/2 v'H v + strength * sum_j factor_j w_j^2, w = at + v; null if none.
  function minimum(q, strength, factor) {
    const n = q.at.length;
    const H = Float64Array.from(q.H);
    const b = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) b[i] += q.H[i * n + j] * q.at[j];
      b[i] -= q.g[i];
      H[i * n + i] += 2 * strength * (factor ? factor[i] : 1);
    }
    return solve(H, b);
  }

  // Coefficients of ridge at any penalty: w = B diag(s / (s^2 + alpha)) u.
  function ridgeAt(exact, alpha) {
    const { s, u, basis } = exact;
    const r = s.length;
    const p = basis.length / Math.max(r, 1);
    const v = Float64Array.from(s, (x, i) => (x / (x * x + alpha)) * u[i]);
    const w = new Float64Array(p);
    for (let j = 0; j < p; j++) {
      let sum = 0;
      for (let i = 0; i < r; i++) sum += basis[j * r + i] * v[i];
      w[j] = sum;
    }
    return w;
  }

  // Residual sum of squares, and degrees of freedom without the intercept.
  function ridgeFacts(exact, alpha) {
    let residual = exact.rest;
    let dof = exact.rank;
    exact.s.forEach((x, i) => {
      const share = alpha / (x * x + alpha);
      residual += (share * exact.u[i]) ** 2;
      dof += (x * x) / (x * x + alpha);
    });
    return { residual, dof };
  }

  // Diagonal element j of (X'SX + alpha D)^-1, D with element d.
  function ridgeVariance(exact, alpha, j, d) {
    const r = exact.s.length;
    let sum = 1 / (alpha * d);
    for (let i = 0; i < r; i++) {
      const b = exact.basis[j * r + i];
      const x = exact.s[i] ** 2;
      sum += b * b * (1 / (x + alpha) - 1 / alpha);
    }
    return sum;
  }

  // Position of the penalty that is nearest on the logarithmic scale.
  function nearest(alphas, alpha) {
    let best = 0;
    alphas.forEach((a, i) => {
      if (Math.abs(Math.log(a / alpha)) < Math.abs(Math.log(alphas[best] / alpha))) best = i;
    });
    return best;
  }

  // As fastridge.penalty.convert. o: {loss, n, noise}.
  function convert(value, source, target, o = {}) {
    const factors = { sum: 1, half_sum: 0.5, mean: 1 / o.n, half_mean: 0.5 / o.n };
    const k = factors[o.loss ?? "sum"];
    // for least squares, the loss of "glm" has half of each square
    const squares = [source, target].some((end) => end === "alpha" || end === "prior_variance");
    const half = squares ? 1 : 0.5;
    const to = {
      alpha: (x) => x,
      lambda: (x) => x / k,
      weight_decay: (x) => x / (2 * k),
      C: (x) => 0.5 / x,
      glm: (x) => half * o.n * x,
      prior_variance: (x) => o.noise / x,
    };
    const from = {
      alpha: (s) => s,
      lambda: (s) => s * k,
      weight_decay: (s) => 2 * k * s,
      C: (s) => 0.5 / s,
      glm: (s) => s / (half * o.n),
      prior_variance: (s) => o.noise / s,
    };
    return from[target](to[source](value));
  }

  // Points of the contour of a quadratic form h (2 x 2) at height `level` about a centre.
  function ellipse(centre, h, level, count = 90) {
    const [a, b, , c] = h;
    const l11 = Math.sqrt(a);
    const l21 = b / l11;
    const l22 = Math.sqrt(Math.max(c - l21 * l21, 0));
    if (!(l11 > 0 && l22 > 1e-9 * Math.sqrt(c))) return [];
    const size = Math.sqrt(2 * level);
    // v'hv / 2 = level: v = L^-T z with |z| = size
    return Array.from({ length: count + 1 }, (_, i) => {
      const z1 = size * Math.cos((2 * Math.PI * i) / count);
      const z2 = size * Math.sin((2 * Math.PI * i) / count);
      const y = z2 / l22;
      return { x: centre[0] + (z1 - l21 * y) / l11, y: centre[1] + y };
    });
  }

  // Points where l1 (d1 |x| + e1 |y|) + l2 (d2 x^2 + e2 y^2) = value.
  function ball(l1, l2, d1, d2, value, count = 120) {
    return Array.from({ length: count + 1 }, (_, i) => {
      const c = Math.cos((2 * Math.PI * i) / count);
      const s = Math.sin((2 * Math.PI * i) / count);
      const b = l1 * (d1[0] * Math.abs(c) + d1[1] * Math.abs(s));
      const a = l2 * (d2[0] * c * c + d2[1] * s * s);
      // a r^2 + b r = value, without cancellation
      const r = (2 * value) / (b + Math.sqrt(b * b + 4 * a * value));
      return { x: r * c, y: r * s };
    });
  }

  // Standard deviation of a density exp(log), concave, of mode `at` and a deviation of about `first`.
  function deviation(log, at, first) {
    const half = 2000;
    const step = (24 * first) / half;
    const sums = [0, 0, 0];
    const top = log(at);
    for (let i = -half; i <= half; i++) {
      const v = i * step;
      const p = Math.exp(log(at + v) - top);
      sums[0] += p;
      sums[1] += p * v;
      sums[2] += p * v * v;
    }
    const mean = sums[1] / sums[0];
    return Math.sqrt(sums[2] / sums[0] - mean * mean);
  }

  return {
    decode, deviation, step, gradient, trajectory, solve, minimum, ridgeAt, ridgeFacts, ridgeVariance,
    nearest, convert, ellipse, ball,
  };
})();
if (typeof module !== "undefined") module.exports = Arithmetic;

// Applies a calibrator.json, or decides by a policy.json, of temperance: no dependency, any engine.
//
//   import { apply, decide } from "./temperance.mjs";
//   const calibrator = JSON.parse(await readFile("calibrator.json", "utf8"));
//   apply(calibrator, [2.0, 0.5, -1.0])           -> probabilities, in the order of input.classes
//   apply(calibrator, row, { group: "hospital" })    of a temperature per group
//   apply(calibrator, [row1, row2])                  of an ensemble: a row of each model
//   apply(calibrator, 0.93)                          of answers: a score -> P(right)
//
// A row (an array, a Float32Array, ...) holds logits; null (or -Infinity) is an option that does not exist.

const BEYOND = 1e101; // log-odds of a probability of 0, where a curve has learned what that means
const CLOSEST = Math.log(2 ** -24); // a probability is at least half of float32's last place from 0 and 1
const centred = (x) => ((top) => (top === -Infinity ? x : x.map((v) => v - top)))(Math.max(...x)); // no offset
const logSum = (x) => Math.log(x.reduce((sum, v) => sum + Math.exp(v), 0));
const logSumExp = (x) => Math.max(...x) + logSum(centred(x));
const logSoftmax = (x) => ((z) => ((total) => z.map((v) => v - total))(logSum(z)))(centred(x));
const softmax = (x) => logSoftmax(x).map(Math.exp);
const sigmoid = (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));
const logSigmoid = (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
const exists = (v) => v !== -Infinity;
const shares = (p) => ((total) => p.map((v) => v / total))(p.reduce((a, b) => a + b, 0));
const own = (object, key) => (object && Object.hasOwn(object, key) ? object[key] : undefined); // no "constructor"
const clip = (v) => Math.min(Math.max(v, -BEYOND), BEYOND);

// log((1 - share) softmax(z / T) + share / options), the base of vector and matrix scaling
const smoothed = (z, temperature, share) => {
  const logs = logSoftmax(centred(z).map((v) => v / temperature)), options = z.filter(exists).length;
  return share ? logs.map((v, c) => exists(z[c]) ? Math.log((1 - share) * Math.exp(v) + share / options) : v) : logs;
};
const affine = (weights, bias, x) => bias.map((b, c) =>
  Array.isArray(weights[c]) ? weights[c].reduce((sum, w, d) => sum + w * Math.max(x[d], -1e200), b)
    : exists(x[c]) ? weights[c] * x[c] + b : x[c]);
const interpolate = ({ log_odds: x, probability: p }, odds) => {
  const i = x.findIndex((knot) => odds <= knot);
  if (i <= 0) return i === 0 ? p[0] : p[p.length - 1];
  return p[i - 1] + ((p[i] - p[i - 1]) / (x[i] - x[i - 1])) * (odds - x[i - 1]);
};
const oneVsRest = (x) => ((z) => z.map((v, c) => clip(v - logSumExp(z.filter((_, d) => d !== c)))))(centred(x));
// a map of the log-odds of class 1 of two; where an option does not exist, the other is certain
const ofTwo = (z, map, zeros = false) => zeros || z.every(exists) ? map(clip(z[1] - z[0])) : softmax(z);

const METHODS = {
  "identity": (p, z) => softmax(z),
  "temperature": (p, z) => smoothed(z, p.temperature, p.smoothing ?? 0).map(Math.exp),
  "bias-corrected-temperature": (p, z) => softmax(affine(p.bias.map(() => 1), p.bias, centred(z).map((v) => v / p.temperature))),
  "group-temperature": (p, z, { group }) => softmax(centred(z).map((v) => v / (own(p.temperatures, group) ?? p.temperature))),
  "vector": (p, z) => softmax(affine(p.factors, p.bias, smoothed(z, p.base_temperature, p.smoothing))),
  "matrix": (p, z) => softmax(affine(p.matrix, p.bias, smoothed(z, p.base_temperature, p.smoothing))),
  "platt": (p, z) => ofTwo(z, (odds) => softmax([0, p.slope * odds + p.intercept])),
  "beta": (p, z) => ofTwo(z, (o) => softmax([0, p.a * logSigmoid(o) - p.b * logSigmoid(-o) + p.c])),
  "isotonic": ({ curves }, z) => {
    const zeros = curves.some((curve) => curve.log_odds[0] === -BEYOND);
    if (curves.length === 1) return ofTwo(z, (o) => ((p) => [1 - p, p])(interpolate(curves[0], o)), zeros);
    return shares(oneVsRest(z).map((o, c) => zeros || exists(z[c]) ? interpolate(curves[c], o) : 0));
  },
  "venn-abers": (p, z) => ofTwo(z, (odds) => {
    const from = p.lower_from.findLastIndex((knot) => knot <= odds), to = p.upper_to.findIndex((knot) => knot >= odds);
    const low = from < 0 ? 0 : p.lower[from], high = to < 0 ? 1 : p.upper[to];
    return ((q) => [1 - q, q])(high / (1 - low + high));
  }, p.lower_from[0] === -BEYOND),
  "ensemble": (p, rows) => {
    const logs = rows.map(logSoftmax);
    return softmax(logs[0].map((_, c) => (p.pool === "log"
      ? p.weights.reduce((sum, w, m) => (exists(logs[0][c]) ? sum + w * logs[m][c] : -Infinity), 0)
      : logSumExp(p.weights.map((w, m) => Math.log(w) + logs[m][c]))) / p.temperature));
  },
};
const SCALES = { // of answers: a score to log-odds
  real: (s) => s,
  probability: (s) => Math.max(Math.log(s), CLOSEST) - Math.max(Math.log(1 - s), CLOSEST),
  logprob: (s) => Math.min(s, 0) - Math.max(Math.log(-Math.expm1(Math.min(s, 0))), CLOSEST),
  fraction: (s) => SCALES.count(100 * s, 100),
  percent: (s) => SCALES.count(s, 100),
  count: (s, of) => Math.log(s + 0.5) - Math.log(of - s + 0.5),
};
const labels = ({ parameters: p, input }, z) => z.map((v, c) => { // each on its own
  const name = input.classes ? String(input.classes[c]) : String(c);
  if (p.slopes) return sigmoid((own(p.slopes, name) ?? p.slope) * v + (own(p.intercepts, name) ?? p.intercept));
  return sigmoid(v / (own(p.temperatures, name) ?? p.temperature ?? 1));
});
// a row in double precision, which a Float32Array is not; of labels each has its logit
const checked = (row, { kind, n_classes: k }) => {
  const x = Array.from(row, (v) => (v === null ? -Infinity : v)), all = kind === "multilabel";
  const good = x.every((v) => typeof v === "number" && v < Infinity) && (all ? x.every(exists) : x.some(exists));
  if (good && x.length === (k ?? x.length)) return x;
  throw new Error(`a row must hold ${k ?? "some"} numbers${all ? "" : ", or null where an option does not exist"}`);
};

export function apply(calibrator, row, options = {}) {
  const { method, parameters, input, format_version: version } = calibrator;
  if (calibrator.format !== "temperance/calibrator" || version !== 1) throw new Error("not a calibrator.json of version 1");
  if (input.kind === "multilabel") return labels(calibrator, checked(row, input));
  const map = own(METHODS, method);
  if (!map) throw new Error(`unknown method ${method}`);
  if (input.kind === "answers") {
    const odds = typeof row === "number" ? SCALES[parameters.score.scale](row, parameters.score.of) : NaN;
    if (Number.isNaN(odds)) throw new Error(`a score must be a number, a ${parameters.score.scale}`);
    return map(parameters, [0, odds], options)[1];
  }
  if (method !== "ensemble") return map(parameters, checked(row, input), options);
  const models = parameters.weights.length;
  if (row.length !== models) throw new Error(`there must be a row of each of ${models} models`);
  return map(parameters, Array.from(row, (each) => checked(each, input)), options);
}

export function decide(policy, row, options = {}) { // -> { probs, accepted, band }
  const probs = apply(policy.calibrator, row, options), { groups, column, composite } = policy.rule;
  if (composite) throw new Error("composite answers are decided by all of their rows together");
  const score = column == null ? Math.max(...[probs].flat()) : probs[column];
  let ends = policy.rule; // of bands: accept_from and reject_to
  if (groups) ends = own(groups, options.group) ?? {};
  const least = policy.format_version < 3 ? (groups ? own(groups, options.group) : ends.threshold) : ends.accept_from;
  const accepted = least != null && score >= least - 1e-6;
  const rejected = ends.reject_to != null && score <= ends.reject_to + 1e-6;
  return { probs, accepted, band: accepted ? "accept" : rejected ? "reject" : "review" };
}

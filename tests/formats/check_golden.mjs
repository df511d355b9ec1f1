// Prints, per golden file, the largest difference of what the JavaScript reader gives, as JSON.
import { readFileSync, readdirSync } from "node:fs";
import { apply, decide } from "../../examples/javascript/temperance.mjs";

const folder = new URL("../data/golden/", import.meta.url);
const found = {};
for (const name of readdirSync(folder)) {
  const { calibrator, policy, rows, groups, probs, accepted, bands } = JSON.parse(readFileSync(new URL(name, folder)));
  let largest = 0, decided = 0;
  rows.forEach((row, i) => {
    const options = { group: groups?.[i] };
    const given = policy ? decide(policy, row, options) : { probs: apply(calibrator, row, options) };
    if (policy && given.accepted !== accepted[i]) decided += 1;
    if (bands && given.band !== bands[i]) decided += 1;
    const pairs = [given.probs].flat().map((p, c) => Math.abs(p - [probs[i]].flat()[c]));
    largest = Math.max(largest, ...pairs.map((d) => (Number.isNaN(d) ? Infinity : d)));
  });
  found[name] = { rows: rows.length, largest, decided };
}
console.log(JSON.stringify(found));

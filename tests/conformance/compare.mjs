// Holds the results of the conformance suite against the failures that are expected: `node compare.mjs FOLDER EXPECTED`.
// A line of EXPECTED is a scenario, a check, and behind `#` the reason. Exits with 1 if a check fails that is not there,
// or if one that is there does not fail any more.
import fs from 'node:fs';
import path from 'node:path';

const [folder, file] = process.argv.slice(2);
const lines = fs.readFileSync(file, 'utf8').split('\n').map((line) => line.split('#')[0].trim());
const expected = new Set(lines.filter((line) => line).map((line) => line.split(/\s+/).join(' ')));

const failed = new Set();
let passed = 0;
for (const run of fs.readdirSync(folder)) {
  const scenario = run.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '');
  const checks = JSON.parse(fs.readFileSync(path.join(folder, run, 'checks.json'), 'utf8'));
  for (const check of checks) {
    if (check.status === 'FAILURE') failed.add(`${scenario} ${check.id}`);
    if (check.status === 'SUCCESS') passed += 1;
  }
}
const news = [...failed].filter((check) => !expected.has(check));
const old = [...expected].filter((check) => !failed.has(check));
console.log(`${passed} checks passed, ${failed.size} failed, ${news.length} of them unexpectedly`);
for (const check of news) console.log(`failed: ${check}`);
for (const check of old) console.log(`expected to fail, and does not: ${check}`);
process.exit(news.length + old.length > 0 || passed === 0 ? 1 : 0);

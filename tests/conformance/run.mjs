// Starts the gate and the control, runs the suite against both, and reports: `node run.mjs PROGRAM SUITE RESULTS`.
// Called by run.sh. RESULTS is a folder, replaced by each run; it keeps what the suite wrote and, for each revision, a
// list of all checks.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { compare } from './compare.mjs';
import { startControl } from './control.mjs';
import { startProxy } from './proxy.mjs';

const REVISIONS = ['2025-11-25', '2026-07-28'];
// A run of the suite takes about five seconds.
const SUITE_LIMIT_MS = 90_000;
const START_LIMIT_MS = 20_000;

const here = path.dirname(fileURLToPath(import.meta.url));
const [program, suite, results] = process.argv.slice(2);
const started = performance.now();
const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

function start(command, args, options) {
  const child = spawn(command, args, options);
  children.add(child);
  child.on('exit', () => children.delete(child));
  return child;
}

// Waits until a child ends or prints `pattern`; returns what it printed on standard output.
function output(child, limit, pattern) {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${child.spawnfile} took longer than ${limit / 1000} s`));
    }, limit);
    const settle = (act) => {
      clearTimeout(timer);
      act();
    };
    child.on('error', (error) => settle(() => reject(error)));
    child.stdout.on('data', (chunk) => {
      text += chunk;
      if (pattern?.test(text)) settle(() => resolve(text));
    });
    child.on('close', (code) =>
      settle(() => (pattern ? reject(new Error(`${child.spawnfile} exited with ${code}`)) : resolve(text))),
    );
  });
}

async function startGate(origin, home) {
  // No configuration and no variables of the user's reach the program.
  const env = { PORTCULLIS_SECRET: 'a-secret-for-the-conformance-suite', HOME: home, XDG_CONFIG_HOME: home };
  const log = fs.openSync(path.join(results, 'portcullis.log'), 'w');
  const options = { env, stdio: ['ignore', 'pipe', log] };
  const policy = ['--policy', path.join(here, 'policy.toml')];
  const serve = ['serve', '--listen', '127.0.0.1:0', '--quiet', '--rate', 'off', '--allow-origin', origin, ...policy];
  const gate = start(program, serve, options);
  const serving = /serving (\S+)/;
  const url = serving.exec(await output(gate, START_LIMIT_MS, serving))[1];
  const issue = ['issue', 'conformance', '-p', 'admin', '--audience', url, ...policy];
  const token = (await output(start(program, issue, options), START_LIMIT_MS)).trim();
  return { url, token };
}

// The suite exits with 1 because of expected failures too; the files that it writes are what counts.
async function runSuite(url, revision, folder) {
  const args = [suite, 'server', '--url', url, '--requirements', revision, '--output-dir', folder];
  const log = fs.openSync(`${folder}.log`, 'w');
  const child = start(process.execPath, args, { stdio: ['ignore', 'pipe', log] });
  fs.writeSync(log, await output(child, SUITE_LIMIT_MS));
  fs.closeSync(log);
}

async function main() {
  fs.rmSync(results, { recursive: true, force: true });
  const home = path.join(results, 'home');
  fs.mkdirSync(home, { recursive: true });

  const [proxy, control] = [await startProxy(), await startControl()];
  proxy.forwardTo(await startGate(proxy.origin, home));
  // One revision after the other on each server, and both servers at once.
  const runAll = async (url, name) => {
    for (const revision of REVISIONS) await runSuite(url, revision, path.join(results, `${revision}-${name}`));
  };
  await Promise.all([runAll(`${proxy.origin}/mcp`, 'gate'), runAll(`${control.origin}/mcp`, 'control')]);

  let isAsExpected = true;
  for (const revision of REVISIONS) {
    const report = compare({
      gate: path.join(results, `${revision}-gate`),
      control: path.join(results, `${revision}-control`),
      expected: path.join(here, `expected-${revision}.txt`),
    });
    fs.writeFileSync(path.join(results, `${revision}.txt`), report.list);
    console.log(`${revision}: ${report.summary}`);
    for (const problem of report.problems) console.log(`  ${problem}`);
    isAsExpected &&= report.problems.length === 0;
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`took ${seconds} s; every check is listed in ${path.relative('', results)}/REVISION.txt`);
  return isAsExpected;
}

main().then(
  (isAsExpected) => process.exit(isAsExpected ? 0 : 1),
  (error) => {
    console.error(`conformance suite: ${error.message}`);
    process.exit(1);
  },
);

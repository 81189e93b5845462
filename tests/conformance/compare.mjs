// Compares what the suite reports about the gate with what is expected, and separates checks of substance from vacuous
// ones.
//
// The suite gives each check one of five marks. FAILURE and WARNING (a SHOULD that is not followed) must be in the
// expected file with a reason; INFO and SKIPPED mean that the check does not apply. SUCCESS alone does not say that
// anything was exercised: "no empty contents" also passes where there are no resources, and `wire-schema-valid` is
// added to every scenario, whatever was sent. Hence the rule:
//
//   A check is of substance if it passes against the gate and does not pass against the control, a valid server that
//   offers nothing (control.mjs), and if the suite does not mark it as untestable. Other passed checks are vacuous.
//
// The rule errs on the strict side. The control never looks at headers, Host or Origin, so a check that the gate
// accepts a good request may be vacuous, while its counterpart, that the gate rejects a bad one, is of substance.
import fs from 'node:fs';
import path from 'node:path';

// All checks of a run of the suite, each with a key that is the same in every run.
function readChecks(folder) {
  const checks = [];
  for (const run of fs.readdirSync(folder)) {
    const scenario = run.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '');
    const file = path.join(folder, run, 'checks.json');
    // A scenario that throws leaves an empty folder.
    if (!fs.existsSync(file)) throw new Error(`${scenario} reported nothing, see ${folder}.log`);
    const seen = new Map();
    for (const check of JSON.parse(fs.readFileSync(file, 'utf8'))) {
      // Some checks are made several times in a scenario.
      const name = `${scenario} ${check.id} ${check.name}`;
      const round = seen.get(name) ?? 0;
      seen.set(name, round + 1);
      checks.push({ ...check, scenario, label: `${scenario} ${check.id}`, key: `${name} ${round}` });
    }
  }
  return checks;
}

// The lines of an expected file: scenario, check, and the reason behind `#`.
function readExpected(file) {
  const expected = new Set();
  const problems = [];
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    const [words, reason] = line.split('#', 2).map((part) => part.trim());
    if (!words) continue;
    const label = words.split(/\s+/).join(' ');
    if (!reason) problems.push(`no reason given for: ${label}`);
    if (expected.has(label)) problems.push(`listed twice: ${label}`);
    expected.add(label);
  }
  return { expected, problems };
}

function classify(check, passedByControl) {
  switch (check.status) {
    case 'SUCCESS':
      return passedByControl.has(check.key) || check.details?.untestable ? 'vacuous' : 'substance';
    case 'FAILURE':
      return 'failed';
    case 'WARNING':
      return 'warned';
    default:
      return 'not applicable';
  }
}

// Returns a summary, the list of all checks, and the differences from the expected file.
export function compare(paths) {
  const [gate, control] = [readChecks(paths.gate), readChecks(paths.control)];
  const { expected, problems } = readExpected(paths.expected);

  const scenarios = (checks) => new Set(checks.map((check) => check.scenario));
  for (const scenario of scenarios(gate).symmetricDifference(scenarios(control))) {
    problems.push(`run against one of gate and control only: ${scenario}`);
  }
  const passedByControl = new Set(control.filter((check) => check.status === 'SUCCESS').map((check) => check.key));
  if (passedByControl.size === 0) problems.push('the control passed nothing, so nothing can be told apart');

  const classes = Object.groupBy(gate, (check) => classify(check, passedByControl));
  const count = (name) => classes[name]?.length ?? 0;
  const unmet = [...(classes.failed ?? []), ...(classes.warned ?? [])];
  const unmetLabels = new Set(unmet.map((check) => check.label));
  const unexpected = unmet.filter((check) => !expected.has(check.label));
  for (const check of unexpected) {
    problems.push(`${check.status}: ${check.label}: ${check.errorMessage ?? check.details?.message ?? ''}`);
  }
  for (const label of expected) {
    if (!unmetLabels.has(label)) problems.push(`expected not to pass, but does: ${label}`);
  }
  if (count('substance') === 0) problems.push('no check of substance passed');

  const summary =
    `${count('substance')} checks of substance passed, ${count('vacuous')} vacuous ones; ` +
    `${count('failed') + count('warned')} did not pass, ${unexpected.length} of them unexpectedly; ` +
    `${count('not applicable')} do not apply`;
  const list = gate.map((check) => `${classify(check, passedByControl).padEnd(14)} ${check.label} (${check.name})`);
  return { summary, problems, list: `${list.sort().join('\n')}\n` };
}

#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
/** One study to a running server, the findings to the terminal and, if asked, to a file. */

import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';

import { StudyRefused, VcfClient, VcfError } from '../index.js';
import { contract } from '../lib/contract.js';

/** As those of `vcf analyze`; 64 is EX_USAGE of sysexits.h. */
const [DONE, SETUP, REFUSED, SERVER, USAGE] = [0, 1, 2, 3, 64];

const PRIORITIES = Object.keys(contract.admission.priorities);
const HELP = `usage: vcf-analyze STUDY [options]

Analyse one CT study on a running server: the most suitable series that is found is taken.

STUDY                     folder or file of DICOM images
--server HOST:PORT        gRPC (default ${contract.default_address}); give it again for several in turn
--json FILE               write the findings as JSON; - is standard output, where an error is JSON too
--deadline S              longest wait for the answer (default ${contract.default_deadline_s})
--age-policy ${contract.age_policy.values.join('|')}   what to do if the patient is under 50 or of unknown age (default warn)
--priority ${PRIORITIES.join('|')}   urgent studies go before all that wait on the server (default routine)
--attempts N              how often to try a server that is not there or full (default ${contract.retry.attempts})
--tls-ca PEM              certificate authority of the server; turns TLS on
--tls-cert PEM            the client's own certificate, with --tls-key
--tls-key PEM             private key of --tls-cert
--api-key-file FILE       file with a line NAME=VALUE; to other machines over TLS only
--help

exit codes: ${DONE} analysed, ${REFUSED} study refused, ${SERVER} server unreachable, too slow or failed, ${USAGE} wrong usage
`;

class Usage extends Error {}

/**
 * @param {string[]} words
 * @returns {{study: string, servers: string[], json?: string, agePolicy: 'warn' | 'block', priority: 'routine' | 'urgent',
 *   connection: import('../index.js').ClientOptions} | null}
 */
function parse(words) {
  let parsed;
  try {
    parsed = parseArgs({
      args: words,
      allowPositionals: true,
      options: {
        server: { type: 'string', multiple: true, default: [contract.default_address] },
        json: { type: 'string' },
        deadline: { type: 'string', default: String(contract.default_deadline_s) },
        'age-policy': { type: 'string', default: contract.age_policy.values[0] },
        priority: { type: 'string', default: PRIORITIES[0] },
        attempts: { type: 'string', default: String(contract.retry.attempts) },
        'tls-ca': { type: 'string' },
        'tls-cert': { type: 'string' },
        'tls-key': { type: 'string' },
        'api-key-file': { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new Usage(/** @type {Error} */ (error).message.split('.')[0]);
  }
  const { values, positionals } = parsed;
  if (values.help) return null;
  if (positionals.length !== 1) throw new Usage(`one STUDY is accepted, ${positionals.length} were given`);
  const deadlineMs = Number(values.deadline) * 1000;
  if (!(deadlineMs > 0 && deadlineMs < Infinity)) {
    throw new Usage(`--deadline: '${values.deadline}' is not a number of seconds greater than 0`);
  }
  const agePolicy = values['age-policy'];
  if (agePolicy !== 'warn' && agePolicy !== 'block') {
    throw new Usage(`--age-policy: '${agePolicy}' is none of ${contract.age_policy.values.join(', ')}`);
  }
  const priority = values.priority;
  if (priority !== 'routine' && priority !== 'urgent') {
    throw new Usage(`--priority: '${priority}' is none of ${PRIORITIES.join(', ')}`);
  }
  const attempts = Number(values.attempts);
  if (!(Number.isInteger(attempts) && attempts > 0)) throw new Usage(`--attempts: '${values.attempts}' is no count`);
  const file = (/** @type {string | undefined} */ path) => (path === undefined ? undefined : pem(path));
  const [ca, certificate, key] = [values['tls-ca'], values['tls-cert'], values['tls-key']].map(file);
  if (!certificate !== !key) throw new Usage('--tls-cert and --tls-key go together');
  const tls = ca || certificate ? { ca, certificate, key } : undefined;
  const apiKey = file(values['api-key-file'])?.toString('utf8').trim();
  const connection = { deadlineMs, attempts, tls, apiKey };
  return { study: positionals[0], servers: /** @type {string[]} */ (values.server), json: values.json, agePolicy, priority, connection };
}

/** @param {string} path */
function pem(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Usage(`${path} cannot be read: ${/** @type {NodeJS.ErrnoException} */ (error).code}`);
  }
}

/** @param {import('../index.js').Findings} findings */
function show(findings) {
  const verdict = findings.positive ? 'fracture suspected' : 'no fracture suspected';
  const fixed = (/** @type {number} */ score) => score.toFixed(2);
  const patches = findings.patches.map(({ score, positive, box_mm: [[, , low], [, , high]] }, index) => {
    const place = `z ${high.toFixed(0)} to ${low.toFixed(0)} mm`;
    return `patch ${index + 1}, ${place}: ${fixed(score)}${positive ? '  suspected' : ''}`;
  });
  const heading = `${verdict}: study score ${fixed(findings.study_score)}, threshold ${fixed(findings.threshold)}`;
  const flags = findings.flags.length ? [`flags: ${findings.flags.join(', ')}`] : [];
  return [heading, ...patches, ...flags, findings.notice].join('\n');
}

/** @param {string[]} words */
async function main(words) {
  const options = parse(words);
  if (!options) {
    process.stdout.write(HELP);
    return DONE;
  }
  const client = new VcfClient(options.servers, options.connection);
  let findings;
  try {
    findings = await client.analyze(options.study, { agePolicy: options.agePolicy, priority: options.priority });
  } catch (error) {
    if (error instanceof VcfError && options.json === '-') {
      process.stdout.write(`${JSON.stringify({ error: { code: error.code, sentence: error.message } })}\n`);
    }
    throw error;
  } finally {
    client.close();
  }
  const json = `${JSON.stringify(findings, null, 2)}\n`;
  if (options.json === '-') {
    process.stdout.write(json);
    return DONE;
  }
  if (options.json !== undefined) {
    try {
      await writeFile(options.json, json);
    } catch (error) {
      process.stderr.write(`the findings cannot be written: ${/** @type {NodeJS.ErrnoException} */ (error).code}\n`);
      return SETUP;
    }
  }
  process.stdout.write(`${show(findings)}\n`);
  return DONE;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof Usage) {
    process.stderr.write(`vcf-analyze: ${error.message}; --help says what is accepted\n`);
    process.exitCode = USAGE;
  } else if (error instanceof VcfError) {
    const refused = error instanceof StudyRefused;
    process.stderr.write(refused ? `study refused: ${error.message}\n` : `${error.message}\n`);
    process.exitCode = refused ? REFUSED : SERVER;
  } else {
    throw error;
  }
}

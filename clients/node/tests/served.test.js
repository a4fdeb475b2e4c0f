// SPDX-License-Identifier: Apache-2.0
/** Against a running server: VCF_TEST_SERVER is its address, VCF_TEST_STUDY the folder of a study that it takes. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { Ajv2020 } from 'ajv/dist/2020.js';

import { DeadlineExceeded, VcfClient } from '../index.js';
import { folder, study as noStudy } from './fake-server.js';

const { VCF_TEST_SERVER: server = '', VCF_TEST_STUDY: study = '' } = process.env;
const options = { skip: server && study ? false : 'VCF_TEST_SERVER and VCF_TEST_STUDY are not set' };
const schema = JSON.parse(readFileSync(new URL('../../python/vcf_client/findings.schema.json', import.meta.url), 'utf8'));

/** @param {string[]} words */
function run(...words) {
  const command = fileURLToPath(new URL('../bin/vcf-analyze.js', import.meta.url));
  return spawnSync(process.execPath, [command, ...words], { encoding: 'utf8', timeout: 120_000 });
}

/** @param {unknown} findings */
function assertValid(findings) {
  const validate = new Ajv2020({ allErrors: true }).compile(schema);
  assert.ok(validate(findings), JSON.stringify(validate.errors));
}

test('a study to findings that the schema describes', options, async (t) => {
  const client = new VcfClient(server);
  t.after(() => client.close());
  assert.equal(await client.isReady(), true);
  const [findings, again] = await Promise.all([client.analyze(study), client.analyze(study)]);
  assertValid(findings);
  assert.equal(findings.study_score, Math.max(...findings.patches.map(({ score }) => score)));
  assert.deepEqual(again.patches, findings.patches);
  assert.equal(again.series_id, findings.series_id);
});

test('too little time is a DeadlineExceeded', options, async (t) => {
  const client = new VcfClient(server, { deadlineMs: 1 });
  t.after(() => client.close());
  await assert.rejects(client.analyze(study), DeadlineExceeded);
});

test('the command writes JSON and says what it found', options, async (t) => {
  const file = join(await folder(t), 'findings.json');
  const { status, stdout, stderr } = run(study, '--server', server, '--json', file);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /fracture suspected: study score \d\.\d\d, threshold \d\.\d\d\npatch 1, z /);
  assertValid(JSON.parse(await readFile(file, 'utf8')));
});

test('a refusal of the server ends the command with 2 and its sentence', options, async (t) => {
  const few = await folder(t);
  const [first] = (await readdir(study)).sort();
  await copyFile(join(study, first), join(few, first));
  const short = run(few, '--server', server);
  assert.equal(short.status, 2);
  assert.match(short.stderr, /^study refused: TOO_SHORT: .+\n$/);
  const nonsense = run(await noStudy(t), '--server', server);
  assert.equal(nonsense.status, 2);
  assert.match(nonsense.stderr, /^study refused: [A-Z_]+: .+\n$/);
  assert.doesNotMatch(nonsense.stderr, /vcf-node/);
});

test('no server ends the command with 3, wrong usage with 64', async (t) => {
  const path = await noStudy(t);
  const gone = run(path, '--server', '127.0.0.1:1');
  assert.equal(gone.status, 3);
  assert.match(gone.stderr, /^no Triton server takes studies at 127\.0\.0\.1:1 /);
  for (const words of [[], [path, path], [path, '--nonsense'], [path, '--deadline', 'soon'], [path, '--age-policy', 'ask']]) {
    const { status, stderr } = run(...words);
    assert.equal(status, 64, words.join(' '));
    assert.match(stderr, /^vcf-analyze: .+\n$/);
  }
  const help = run('--help');
  assert.equal(help.status, 0);
  assert.match(help.stdout, /exit codes: 0 analysed, 2 study refused, 3 server/);
});

// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:net';
import test from 'node:test';

import { status } from '@grpc/grpc-js';

import { DeadlineExceeded, Overloaded, ServerFailed, ServerUnavailable, StudyRefused, VcfClient } from '../index.js';
import { contract } from '../lib/contract.js';
import { hundredth, shortest } from '../lib/findings.js';
import { answer, asMessage, dicom, fakeServer, study } from './fake-server.js';

/**
 * @param {import('node:test').TestContext} t
 * @param {string} address
 * @param {import('../index.js').ClientOptions} [options]
 */
function connect(t, address, options) {
  const client = new VcfClient(address, options);
  t.after(() => client.close());
  return client;
}

test('the files arrive as they are, with the budget and the age policy', async (t) => {
  /** @type {any[]} */
  const requests = [];
  const address = await fakeServer(t, (request, done) => {
    requests.push(request);
    done(null, asMessage(answer()));
  });
  const findings = await connect(t, address, { deadlineMs: 7000 }).analyze(await study(t), { agePolicy: 'block' });
  const [request] = requests;
  const elements = [dicom('first'), dicom('second')].flatMap((file) => [Buffer.from([file.length, 0, 0, 0]), file]);
  assert.deepEqual(request.raw_input_contents, [Buffer.concat(elements)]);
  assert.equal(request.model_name, 'vcf_dicom');
  assert.deepEqual(request.inputs, [{ name: 'dicom_files', datatype: 'BYTES', shape: [2] }]);
  const budget = request.parameters.timeout.int64_param;
  assert.ok(budget > 1_000_000 && budget <= 7_000_000, `${budget}`);
  assert.equal(request.parameters.age_policy.string_param, 'block');
  assert.ok(findings.bytes_sent > Buffer.concat(elements).length);
});

test('an answer becomes findings in the axes of the patient', async (t) => {
  process.env[contract.hash_key_variable] = 'secret';
  t.after(() => delete process.env[contract.hash_key_variable]);
  const address = await fakeServer(t, (_, done) => done(null, asMessage(answer())));
  const { bytes_sent, timings_ms, ...findings } = await connect(t, address).analyze(await study(t));
  assert.deepEqual(findings, {
    schema_version: contract.schema_version,
    notice: contract.notice,
    series_id: createHmac('sha256', 'secret').update('1.2.3').digest('hex').slice(0, 16),
    study_score: 0.7,
    threshold: 0.7,
    positive: true,
    patches: [
      { probability: 0.1, score: 0.3, positive: false, location: 0.25, box_mm: [[4, 21, -270], [8, 24, -240]] },
      { probability: 0.9, score: 0.7, positive: true, location: 0.75, box_mm: [[4, 21, -300], [8, 24, -270]] },
    ],
    centre_line_mm: [[6, 22.5, -300], [6, 22.5, -299.88]],
    flags: ['THICK_SLICES', 'CANAL_INTERPOLATED'],
    selection: ['series 1 of 1 taken: Größe'],
    model: { name: 'vcf_dicom', version: '1', networks: contract.networks, hash: '0f'.repeat(32) },
    transport: 'dicom',
  });
  assert.deepEqual(Object.keys(timings_ms), ['read', 'prepare', 'network', ...contract.stages.slice(-3)]);
});

/** @param {any} request */
const word = (request) => request.raw_input_contents[0].subarray(4).toString();

test('room is asked for before anything is sent, and a no is Overloaded', async (t) => {
  const details = 'OVERLOADED: 16 studies are in flight or waiting here: send it again in about 0.8 s';
  const address = await fakeServer(
    t,
    () => assert.fail('the study was sent'),
    (_, done) => done({ code: status.UNAVAILABLE, details }),
  );
  await assert.rejects(connect(t, address).analyze(await study(t)), (error) => {
    assert.ok(error instanceof Overloaded && error instanceof ServerUnavailable);
    assert.match(error.message, /in about 0\.8 s/);
    return true;
  });
});

test('who asks a full server again bears the same id, and another one after a study that failed', async (t) => {
  const details = 'OVERLOADED: 16 studies are in flight or waiting here: send it again in about 0.1 s';
  /** @type {string[]} */
  const asked = [];
  let sent = 0;
  const address = await fakeServer(
    t,
    (_, done) => done({ code: ++sent === 1 ? status.UNAVAILABLE : status.INTERNAL, details: 'unloading' }),
    (request, done) => {
      if (word(request) !== 'leave') asked.push(request.id);
      done(asked.length === 1 ? { code: status.UNAVAILABLE, details } : null, { model_name: 'admission' });
    },
  );
  await assert.rejects(connect(t, address, { attempts: 3 }).analyze(await study(t)), ServerFailed);
  assert.equal(sent, 2);
  assert.equal(asked.length, 3);
  assert.equal(asked[0], asked[1]);
  assert.notEqual(asked[1], asked[2]);
});

test('the study has the id and the priority that were admitted, and one that fails is given up', async (t) => {
  /** @type {any[]} */
  const asked = [];
  /** @type {any[]} */
  const sent = [];
  /** @type {() => void} */
  let noteLeave = () => {};
  const left = new Promise((resolve) => (noteLeave = () => resolve(undefined)));
  const address = await fakeServer(
    t,
    (request, done) => {
      sent.push(request);
      done({ code: status.INTERNAL, details: 'no' });
    },
    (request, done) => {
      asked.push(request);
      if (word(request) === 'leave') noteLeave();
      done(null, { model_name: 'admission' });
    },
  );
  await assert.rejects(connect(t, address).analyze(await study(t), { priority: 'urgent' }), ServerFailed);
  await left;
  assert.deepEqual(asked.map(word), ['urgent', 'leave']);
  assert.equal(sent[0].parameters.priority.int64_param, 1);
  assert.deepEqual(new Set([sent[0].id, ...asked.map(({ id }) => id)]).size, 1);
});

test('a server without admission takes studies, and other priorities are refused here', async (t) => {
  const address = await fakeServer(
    t,
    (_, done) => done(null, asMessage(answer())),
    (_, done) => done({ code: status.NOT_FOUND, details: "Request for unknown model: 'admission' is not found" }),
  );
  const client = connect(t, address);
  assert.equal((await client.analyze(await study(t))).study_score, 0.7);
  await assert.rejects(client.analyze('x', { priority: /** @type {any} */ ('soon') }), RangeError);
});

/** @type {[string, number, string, Function, RegExp][]} */
const ERRORS = [
  ['a refusal', status.INVALID_ARGUMENT, "in ensemble 'vcf_dicom', NOT_CT: the modality is MR; CT is accepted", StudyRefused, /^NOT_CT: the modality is MR; CT is accepted$/],
  ['a late step', status.UNKNOWN, 'DEADLINE_EXCEEDED: no time left', DeadlineExceeded, /within 120 s/],
  ['a full queue', status.UNAVAILABLE, 'Exceeds maximum queue size', Overloaded, /queue size/],
  ['a server that is gone', status.UNAVAILABLE, 'Socket closed', ServerUnavailable, /Socket closed/],
  ['a server that fails', status.INTERNAL, 'SOME_THING: out of memory', ServerFailed, /failed with INTERNAL: SOME_THING/],
];
for (const [what, code, details, kind, text] of ERRORS) {
  test(`${what} is a ${kind.name}`, async (t) => {
    const address = await fakeServer(t, (_, done) => done({ code, details }));
    await assert.rejects(connect(t, address).analyze(await study(t)), (error) => {
      assert.ok(error instanceof kind && error instanceof Error);
      assert.equal(error.name, kind.name);
      assert.match(error.message, text);
      return true;
    });
  });
}

test('a server that never answers meets the deadline', async (t) => {
  const address = await fakeServer(t, () => {});
  const started = performance.now();
  await assert.rejects(connect(t, address, { deadlineMs: 300 }).analyze(await study(t)), DeadlineExceeded);
  assert.ok(performance.now() - started < 5000);
});

test('no server at the address', async (t) => {
  const client = connect(t, '127.0.0.1:1');
  assert.equal(await client.isReady(), false);
  await assert.rejects(client.analyze(await study(t)), ServerUnavailable);
});

test('a proxy of the environment gets nothing', async (t) => {
  let connections = 0;
  const proxy = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  const port = await new Promise((resolve) => {
    proxy.listen(0, '127.0.0.1', () => resolve(/** @type {import('node:net').AddressInfo} */ (proxy.address()).port));
  });
  process.env.grpc_proxy = `http://127.0.0.1:${port}`;
  t.after(() => {
    delete process.env.grpc_proxy;
    proxy.close();
  });
  const address = await fakeServer(t, (_, done) => done(null, asMessage(answer())));
  assert.equal(await connect(t, address).isReady(), true);
  assert.equal(connections, 0);
});

/** @type {[string, (tensors: ReturnType<typeof answer>) => void, RegExp][]} */
const NONSENSE = [
  ['a missing tensor', (tensors) => delete tensors.location, /no tensor location/],
  ['another type', (tensors) => (tensors.threshold[0] = 'FP64'), /threshold of the answer is FP64 \[1\], not FP32/],
  ['another shape', (tensors) => (tensors.patch_boxes_mm[1] = [12]), /\[12\], not FP32 \[-1,6\]/],
  ['fewer values than its shape says', (tensors) => (tensors.patch_scores[1] = [3]), /patch_scores .* came with 8 bytes/],
  ['columns of different lengths', (tensors) => (tensors.location = ['FP32', [1], [0.5]]), /2 scores, .* 1 locations/],
  ['a value that is no number', (tensors) => (tensors.study_score[2] = [NaN]), /study_score .* not finite/],
  ['no stage timings', (tensors) => (tensors.stage_timings_ms = ['FP32', [0], []]), /0 stage timings/],
];
for (const [what, change, text] of NONSENSE) {
  test(`an answer with ${what} is a failure of the server`, async (t) => {
    const tensors = answer();
    change(tensors);
    const address = await fakeServer(t, (_, done) => done(null, asMessage(tensors)));
    await assert.rejects(connect(t, address).analyze(await study(t)), (error) => {
      assert.ok(error instanceof ServerFailed);
      assert.match(error.message, text);
      return true;
    });
  });
}

test('options out of range are named', async () => {
  for (const deadlineMs of [0, -1, NaN, Infinity]) {
    assert.throws(() => new VcfClient('127.0.0.1:1', { deadlineMs }), /deadlineMs is .*greater than 0/);
  }
  const agePolicy = /** @type {any} */ ('ask');
  await assert.rejects(new VcfClient().analyze('.', { agePolicy }), /agePolicy is ask; warn, block are accepted/);
});

test('numbers are written as the Python client writes them', () => {
  for (const value of [0.1, 0.7, 1e-7, 0.99999994, 1, 0, 1 / 3]) {
    const single = Math.fround(value);
    assert.equal(Math.fround(shortest(single)), single);
  }
  assert.equal(shortest(Math.fround(0.1)), 0.1);
  assert.equal(shortest(Math.fround(1 / 3)), 0.33333334);
  // Python: [round(v, 2) for v in (0.125, 0.375, -0.125, 2.675, 1.005, 0.5, 7.0)]
  const values = [0.125, 0.375, -0.125, 2.675, 1.005, 0.5, 7];
  assert.deepEqual(values.map(hundredth), [0.12, 0.38, -0.12, 2.67, 1.0, 0.5, 7]);
});

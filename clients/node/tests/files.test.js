// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import test from 'node:test';

import { StudyRefused } from '../index.js';
import { looksLikeDicom, studyFiles } from '../lib/files.js';
import { readFiles } from '../lib/message.js';
import { dicom, folder, study } from './fake-server.js';

/** @param {Awaited<ReturnType<typeof studyFiles>>} sources */
const names = (sources) => sources.map(({ path }) => basename(path.toString('latin1'))).sort();

test('folders below are searched, links followed once, pipes and other files passed over', async (t) => {
  const root = await study(t);
  await mkdir(join(root, 'below'));
  await writeFile(join(root, 'below', 'c'), dicom('third'));
  await writeFile(join(root, 'below', 'bare'), Buffer.from([8, 0, 5, 0, 67, 83]));
  await writeFile(join(root, 'notes.txt'), 'no image');
  await writeFile(join(root, 'empty.dcm'), '');
  await symlink(root, join(root, 'below', 'loop'));
  await symlink(join(root, 'gone'), join(root, 'dangling'));
  if (process.platform !== 'win32') execFileSync('mkfifo', [join(root, 'pipe')]);
  assert.deepEqual(names(await studyFiles(root)), ['a.dcm', 'b.dcm', 'bare', 'c']);
});

test('a file whose name is no UTF-8 is found and read', { skip: process.platform !== 'linux' }, async (t) => {
  const root = await folder(t);
  await writeFile(Buffer.concat([Buffer.from(`${root}/M`), Buffer.from([0xfc]), Buffer.from('ller')]), dicom('x'));
  const sources = await studyFiles(root);
  assert.deepEqual(names(sources), ['M\xfcller']);
  assert.equal((await readFiles(sources)).count, 1);
});

test('a DICOMDIR stands for its folder, one file for itself', async (t) => {
  const root = await study(t);
  await writeFile(join(root, 'DICOMDIR'), dicom('directory'));
  assert.deepEqual(names(await studyFiles(join(root, 'DICOMDIR'))), ['DICOMDIR', 'a.dcm', 'b.dcm']);
  assert.deepEqual(names(await studyFiles(join(root, 'a.dcm'))), ['a.dcm']);
});

test('what is no study is refused without a word about its path', async (t) => {
  const root = await folder(t);
  await writeFile(join(root, 'Doe^John.zip'), 'PK\x03\x04rest');
  await writeFile(join(root, 'Doe^John.txt'), 'text');
  for (const [name, code] of [['gone^John', 'NO_IMAGES'], ['Doe^John.zip', 'BAD_INPUT'], ['Doe^John.txt', 'NOT_DICOM'], ['', 'NOT_DICOM']]) {
    await assert.rejects(studyFiles(join(root, name)), (error) => {
      assert.ok(error instanceof StudyRefused);
      assert.equal(error.code, code);
      assert.doesNotMatch(error.message, /John|vcf-node/);
      return true;
    });
  }
});

test('files that went, shrank or grew since they were found are sent as they are', async (t) => {
  const root = await study(t);
  const sources = await studyFiles(root);
  await truncate(join(root, 'a.dcm'), 130);
  await unlink(join(root, 'b.dcm'));
  const { buffer, begin, end, count } = await readFiles(sources);
  assert.equal(count, 1);
  // Tag of field 7, length 134 as a varint, then the element: its length and its bytes (Protocol Buffers encoding).
  assert.deepEqual([...buffer.subarray(begin, begin + 3)], [0x3a, 0x86, 0x01]);
  assert.equal(buffer.readUInt32LE(begin + 3), 130);
  assert.equal(end - begin, 3 + 4 + 130);
  await unlink(join(root, 'a.dcm'));
  await assert.rejects(readFiles(sources), { code: 'NOT_DICOM' });
});

test('a study beyond 2 GiB is refused before any of it is read', async () => {
  await assert.rejects(readFiles([{ path: '/nowhere', size: 2 ** 31 - 4000 }]), { code: 'TOO_LARGE' });
  await assert.rejects(readFiles([{ path: '/nowhere', size: 1000 }]), { code: 'NOT_DICOM' });
});

test('the start of a file tells DICOM', () => {
  assert.ok(looksLikeDicom(dicom('')));
  assert.ok(looksLikeDicom(Buffer.from([2, 0, 0, 0])));
  assert.ok(!looksLikeDicom(Buffer.from([8, 0, 2, 0])));
  assert.ok(!looksLikeDicom(Buffer.from([0, 0, 5, 0])));
  assert.ok(!looksLikeDicom(Buffer.alloc(0)));
});

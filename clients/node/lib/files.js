// SPDX-License-Identifier: Apache-2.0
/**
 * The files of a study that may be DICOM.
 *
 * Paths below the study are kept as bytes: an export may name files in Latin-1, which no string of Node's can hold,
 * and a file that cannot be opened would be a missing slice.
 */

import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, sep } from 'node:path';

import { contract } from './contract.js';
import { StudyRefused } from './errors.js';

/** @typedef {{path: string | Buffer, size: number}} Source */

const SNIFF_BYTES = 132;
const ZIP_MAGIC = ['PK\x03\x04', 'PK\x05\x06'];
const SEPARATOR = Buffer.from(sep);

/**
 * Whether a file that starts so is worth sending (DICOM PS3.10 section 7.1, or a data set without preamble that
 * begins in group 0002 or 0008, little endian).
 *
 * @param {Buffer} start
 */
export function looksLikeDicom(start) {
  if (start.toString('latin1', 128, 132) === 'DICM') return true;
  if (start.length < 4 || start[1] !== 0 || start[3] !== 0) return false;
  return start[0] === 0x02 ? start[2] === 0x00 : start[0] === 0x08 && [0x00, 0x01, 0x05, 0x08, 0x16].includes(start[2]);
}

/**
 * Every file of a study that may be DICOM.
 *
 * @param {string} study A folder, with folders below it, the DICOMDIR in it, or one file.
 * @returns {Promise<Source[]>}
 * @throws {StudyRefused} `NO_IMAGES` if the path cannot be read, `NOT_DICOM` if there is no DICOM file, `BAD_INPUT` for
 *   an archive or more files than a study has.
 */
export async function studyFiles(study) {
  const status = await stat(study).catch(() => null);
  const first = status?.isFile() ? await start(study) : null;
  if (!status?.isDirectory() && !first) {
    throw new StudyRefused('NO_IMAGES', 'the input cannot be opened; a readable folder or file is accepted');
  }
  if (first && ZIP_MAGIC.includes(first.bytes.toString('latin1', 0, 4))) {
    throw new StudyRefused('BAD_INPUT', 'the input is an archive; the folder of its files is accepted');
  }
  /** @type {Source[]} */
  const found = [];
  if (!first) {
    await walk(study, found);
  } else if (basename(study).toUpperCase() === 'DICOMDIR') {
    await walk(dirname(study), found);
  } else if (looksLikeDicom(first.bytes)) {
    found.push({ path: study, size: first.size });
  }
  if (!found.length) {
    throw new StudyRefused('NOT_DICOM', 'no DICOM file was found; a DICOM series of CT slices is accepted');
  }
  return found;
}

/**
 * Linked folders are followed once, so that a loop of links ends; what cannot be read is passed over.
 *
 * @param {string} root
 * @param {Source[]} found
 */
async function walk(root, found) {
  const seen = new Set();
  const folders = [Buffer.from(root)];
  let count = 0;
  for (let folder = folders.pop(); folder; folder = folders.pop()) {
    const status = await stat(folder, { bigint: true }).catch(() => null);
    const identity = `${status?.dev}:${status?.ino}`;
    if (!status || seen.has(identity)) continue;
    seen.add(identity);
    const names = await readdir(folder, { encoding: 'buffer' }).catch(() => []);
    for (const name of names.sort(Buffer.compare)) {
      const path = Buffer.concat([folder, SEPARATOR, name]);
      const entry = await stat(path).catch(() => null);
      if (entry?.isDirectory()) folders.push(path);
      if (!entry || entry.isDirectory()) continue;
      if (++count > contract.max_files) {
        const sentence = `the folder holds more than ${contract.max_files} files; give the folder of one study`;
        throw new StudyRefused('BAD_INPUT', sentence);
      }
      const head = entry.isFile() ? await start(path) : null; // opening a pipe would wait for its writer
      if (head && looksLikeDicom(head.bytes)) found.push({ path, size: head.size });
    }
  }
}

/**
 * @param {string | Buffer} path
 * @returns {Promise<{bytes: Buffer, size: number} | null>} null where the file cannot be read.
 */
async function start(path) {
  const bytes = Buffer.alloc(SNIFF_BYTES);
  const read = await readInto(path, bytes, 0, SNIFF_BYTES);
  return read && { bytes: bytes.subarray(0, read.bytes), size: read.size };
}

/**
 * Read a file into a buffer.
 *
 * @param {string | Buffer} path
 * @param {Buffer} buffer
 * @param {number} at Where in the buffer.
 * @param {number} length Of it at most.
 * @returns {Promise<{bytes: number, size: number} | null>} Bytes read and size of the file; null where it cannot be read.
 */
export async function readInto(path, buffer, at, length) {
  const file = await open(path).catch(() => null);
  if (!file) return null;
  try {
    let bytes = 0;
    while (bytes < length) {
      const { bytesRead } = await file.read(buffer, at + bytes, length - bytes, bytes);
      if (!bytesRead) break;
      bytes += bytesRead;
    }
    return { bytes, size: (await file.stat()).size };
  } catch {
    return null;
  } finally {
    await file.close();
  }
}

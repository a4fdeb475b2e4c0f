// SPDX-License-Identifier: Apache-2.0
/**
 * A KServe v2 request in its serialised form, with the files read straight into it.
 *
 * Protobuf serialises everything but the tensor's bytes. These come first, as the repeated field that they are: the
 * fields of a message may stand in any order (Protocol Buffers encoding, *Field Order*).
 */

import { contract } from './contract.js';
import { StudyRefused } from './errors.js';
import { readInto } from './files.js';

/** Before each element of a BYTES tensor (KServe v2, *raw tensor contents*). */
const LENGTH_BYTES = 4;
/** `raw_input_contents`: field number 7 and wire type 2, length-delimited. */
const RAW_INPUT_TAG = (7 << 3) | 2;
/** The tag and a length of up to 32 bits. */
const FRONT_BYTES = 6;
/** Ample room for names, parameters and shapes. */
const HEAD_BYTES = 4096;

/**
 * Read files into the raw contents of a BYTES tensor, one an element, with room for the head. A file that cannot be
 * read any more is left out; the server notices a missing slice.
 *
 * @param {import('./files.js').Source[]} sources
 * @returns {Promise<{buffer: Buffer, begin: number, end: number, count: number}>} The message so far is
 *   `buffer.subarray(begin, end)`; `count` is the number of elements.
 * @throws {StudyRefused} `TOO_LARGE` if the message would pass 2 GiB, `NOT_DICOM` if no file can be read any more.
 */
export async function readFiles(sources) {
  const size = sources.reduce((sum, source) => sum + LENGTH_BYTES + source.size, FRONT_BYTES + HEAD_BYTES);
  if (size > contract.max_message_bytes) {
    const gib = (size / 2 ** 30).toFixed(1);
    throw new StudyRefused('TOO_LARGE', `the files have ${gib} GiB, a gRPC message holds up to 2 GiB`);
  }
  const buffer = Buffer.allocUnsafe(size);
  let end = FRONT_BYTES;
  let count = 0;
  for (const source of sources) {
    const read = await readInto(source.path, buffer, end + LENGTH_BYTES, source.size);
    if (!read) continue;
    buffer.writeUInt32LE(read.bytes, end);
    end += LENGTH_BYTES + read.bytes;
    count += 1;
  }
  if (!count) throw new StudyRefused('NOT_DICOM', 'no DICOM file can be read; a DICOM series of CT slices is accepted');
  const front = Buffer.from([RAW_INPUT_TAG, ...varint(end - FRONT_BYTES)]);
  const begin = FRONT_BYTES - front.length;
  front.copy(buffer, begin);
  return { buffer, begin, end, count };
}

/**
 * Base 128 variable-length integer, least significant group first (Protocol Buffers encoding).
 *
 * @param {number} value At most 32 bits.
 */
function varint(value) {
  const groups = [];
  for (; value > 0x7f; value = Math.floor(value / 128)) groups.push((value % 128) | 0x80);
  return [...groups, value];
}

// One call after the other from Node through grpc-js, bytes in and bytes out; ends with the line that ../outcome_json.py reads.
//
//     node caller.js QUESTIONS TARGET SECONDS WARM_UP [CA]
//
// The question file and the rules of its expectations are described in ../question.py. Answers are checked between the calls.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');
const fromScratch = createRequire(path.join(process.cwd(), 'package.json')); // grpc-js is installed in the working directory
const grpc = fromScratch('@grpc/grpc-js');

const [file, target, seconds, warmUp, ca] = process.argv.slice(2);

function readQuestions(data) {
  let at = 12;
  const take = (length) => data.subarray(at, (at += length));
  const number = (bytes) => take(bytes).readUIntLE(0, bytes);
  const questions = [];
  if (data.toString('latin1', 0, 8) !== 'ENTQ0001') throw new Error(`${file} is not a question file of this version`);
  for (let left = data.readUInt32LE(8); left > 0; left--) {
    const status = number(2), decisions = number(2), pathLength = number(2), count = number(2), bodyLength = number(4);
    const question = { status, decisions, path: take(pathLength).toString(), body: take(bodyLength), expectations: [] };
    for (let index = 0; index < count; index++) question.expectations.push({ kind: number(1), data: take(number(4)) });
    questions.push(question);
  }
  return questions;
}

// Yields [field, value] for varints and [field, bytes] for everything with a length; throws for bytes that are no message.
function* fields(message) {
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      if (at >= message.length || shift > 63n) throw new Error('cut off');
      value |= BigInt(message[at] & 0x7f) << shift;
      if (message[at++] < 0x80) return Number(value);
    }
  };
  while (at < message.length) {
    const key = varint(), wire = key & 7, field = Math.floor(key / 8);
    if (wire === 0) {
      yield [field, varint()];
      continue;
    }
    if (wire !== 1 && wire !== 2 && wire !== 5) throw new Error('unknown wire type');
    const length = wire === 2 ? varint() : wire === 1 ? 8 : 4;
    if (at + length > message.length) throw new Error('cut off');
    if (wire === 2) yield [field, message.subarray(at, at + length)];
    at += length;
  }
}

function* leaves(message, way, leaf) {
  let value = 0;
  for (const [field, content] of fields(message)) {
    if (way.length > 0 && field === way[0] && typeof content !== 'number') yield* leaves(content, way.subarray(1), leaf);
    if (way.length === 0 && field === leaf && typeof content === 'number') value = content;
  }
  if (way.length === 0) yield value;
}

function fulfils({ kind, data }, answer) {
  if (kind === 0) return answer.includes(data);
  if (kind === 1) return !answer.includes(data);
  if (kind === 2) return answer.subarray(0, data.length).equals(data);
  if (kind === 3) return answer.equals(data);
  if (kind !== 4) return false;
  const depth = data[0], wanted = [...data.subarray(depth + 2)];
  try {
    const found = [...leaves(answer, data.subarray(1, depth + 1), data[depth + 1])];
    return found.length === wanted.length && found.every((value, index) => value === wanted[index]);
  } catch {
    return false;
  }
}

async function main() {
  const questions = readQuestions(fs.readFileSync(file));
  const credentials = ca ? grpc.credentials.createSsl(fs.readFileSync(ca)) : grpc.credentials.createInsecure();
  const client = new grpc.Client(target, credentials);
  const same = (bytes) => bytes;
  const call = (question) =>
    new Promise((resolve) => {
      const options = { deadline: Date.now() + 2000 };
      client.makeUnaryRequest(question.path, same, same, question.body, options, (error, answer) =>
        resolve(error ? [error.code, null] : [0, answer]),
      );
    });
  const cells = new Map(), errors = {};
  let calls = 0, decisions = 0, wrong = 0, every = 0, failed = 0, least = 0, most = 0, sum = 0, firstWrong = '';
  const from = process.hrtime.bigint() + BigInt(Math.round(Number(warmUp) * 1e9));
  const until = from + BigInt(Math.round(Number(seconds) * 1e9));
  for (let index = 0; ; index = (index + 1) % questions.length) {
    const question = questions[index], began = process.hrtime.bigint();
    const [status, answer] = await call(question);
    const ended = process.hrtime.bigint();
    every++;
    if (ended >= until) break;
    if (ended < from) continue;
    if (status !== question.status) {
      errors[`GRPC_${status}`] = (errors[`GRPC_${status}`] ?? 0) + 1;
      wrong++;
      failed++;
      continue;
    }
    const took = Number(ended - began);
    cells.set(took, (cells.get(took) ?? 0) + 1);
    least = calls === 0 ? took : Math.min(least, took);
    most = Math.max(most, took);
    sum += took;
    calls++;
    decisions += question.decisions;
    const seen = answer ?? Buffer.alloc(0);
    if (!question.expectations.every((expected) => fulfils(expected, seen))) {
      wrong++;
      firstWrong ||= `question ${index} answered ${seen.toString('hex', 0, 256)}`;
    }
  }
  client.close();
  const histogram = { least_ns: least, most_ns: most, sum_ns: sum, cells: [...cells].sort((a, b) => a[0] - b[0]) };
  const counts = { seconds: Number(seconds), calls, decisions, wrong, all_calls: every, asked: calls + failed };
  console.log(JSON.stringify({ ...counts, errors, first_wrong: firstWrong, due: histogram, sent: histogram }));
}

main();

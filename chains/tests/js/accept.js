// Says what the chains' own libraries think of signed transactions.
//
// In: a JSON array on standard input, each element one of
//   { "chain": "solana", "transaction": "<base64>" }
//   { "chain": "bitcoin", "transaction": "<hex>", "prevouts": [{ "script": "<hex>", "value": "<satoshis>" }, …] }
//   { "chain": "bitcoin-psbt", "psbt": "<base64>", "inputs": [0, …] }    (the inputs whose signatures are there)
//   { "chain": "ethereum", "transaction": "<hex>", "from": "<address>", "id": "<hash>", optional }
// Out: a JSON array, for each element in turn null if it is accepted, else the reason.
'use strict';

const { PublicKey, Transaction, VersionedTransaction } = require('@solana/web3.js');
const bitcoin = require('bitcoinjs-lib');
const ecc = require('@bitcoinerlab/secp256k1');
const ethers = require('ethers');
const crypto = require('node:crypto');

bitcoin.initEccLib(ecc);

function demand(condition, reason) {
  if (!condition) throw new Error(reason);
}

// An Ed25519 public key as node wants it: the fixed beginning of a SubjectPublicKeyInfo, then the key.
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

function ed25519(key, message, signature) {
  const object = crypto.createPublicKey({ key: Buffer.concat([SPKI, key]), format: 'der', type: 'spki' });
  return crypto.verify(null, message, object, signature);
}

const solana = ({ transaction }) => {
  const bytes = Buffer.from(transaction, 'base64');
  const read = VersionedTransaction.deserialize(bytes);
  demand(bytes.equals(Buffer.from(read.serialize())), 'other bytes when written again');
  const message = Buffer.from(read.message.serialize());
  const { numRequiredSignatures } = read.message.header;
  demand(numRequiredSignatures > 0 && read.signatures.length === numRequiredSignatures, 'number of signatures');
  read.signatures.forEach((signature, index) => {
    const key = new PublicKey(read.message.staticAccountKeys[index]).toBytes();
    demand(ed25519(key, message, signature), `signature ${index}`);
  });
  if (read.version === 'legacy') {
    demand(Transaction.from(bytes).verifySignatures(true), 'verifySignatures');
  }
};

const bitcoinTransaction = ({ transaction, prevouts }) => {
  const read = bitcoin.Transaction.fromHex(transaction);
  demand(read.toHex() === transaction, 'other bytes when written again');
  demand(read.ins.length === prevouts.length, 'number of inputs');
  const scripts = prevouts.map(({ script }) => Buffer.from(script, 'hex'));
  const values = prevouts.map(({ value }) => BigInt(value));
  read.ins.forEach((input, index) => {
    const { output, pubkey } = bitcoin.payments.p2tr({ output: scripts[index] });
    demand(output && pubkey, `input ${index} spends no Taproot output`);
    demand(input.script.length === 0 && input.witness.length === 1, `witness of input ${index}`);
    const [signature] = input.witness;
    const kind = signature.length === 65 ? signature[64] : 0;
    demand(signature.length === 64 || [0x01, 0x02, 0x03, 0x81, 0x82, 0x83].includes(kind), `sighash of input ${index}`);
    const hash = read.hashForWitnessV1(index, scripts, values, kind);
    demand(ecc.verifySchnorr(hash, pubkey, signature.subarray(0, 64)), `signature of input ${index}`);
  });
};

const bitcoinPsbt = ({ psbt, inputs }) => {
  const read = bitcoin.Psbt.fromBase64(psbt);
  const verify = (key, hash, signature) => ecc.verifySchnorr(hash, key, signature);
  for (const index of inputs) {
    demand(read.validateSignaturesOfInput(index, verify), `signature of input ${index}`);
  }
};

const ethereum = ({ transaction, from, id }) => {
  const hex = `0x${transaction}`;
  const read = ethers.Transaction.from(hex);
  demand(read.isSigned(), 'not signed');
  demand(read.serialized === hex, 'other bytes when written again');
  demand(read.from === from, `signed by ${read.from}`);
  demand(id === undefined || read.hash === id, `its id is ${read.hash}`);
};

const judges = { solana, bitcoin: bitcoinTransaction, 'bitcoin-psbt': bitcoinPsbt, ethereum };

function judge(element) {
  try {
    judges[element.chain](element);
    return null;
  } catch (error) {
    return String(error.message || error);
  }
}

const chunks = [];
process.stdin.on('data', (chunk) => chunks.push(chunk));
process.stdin.on('end', () => {
  const verdicts = JSON.parse(Buffer.concat(chunks).toString('utf8')).map(judge);
  process.stdout.write(JSON.stringify(verdicts));
});

// Makes unsigned transactions, and says which addresses keys have, as the chains' own libraries do.
//
// In: a JSON array on standard input, each element one of
//   { "make": "solana", "version": "legacy" | 0, "payer": "<hex>", "to": "<hex>", "lamports": <number>,
//     "blockhash": "<Base58>", or of a durable nonce its value; optional,
//     "nonce": "<hex, account of a durable nonce that the payer can advance>", optional,
//     "trailing": true for a byte behind the data that advances the nonce, optional }
//   { "make": "solana-address", "key": "<hex>" }
//   { "make": "taproot-address", "key": "<hex, internal>", "network": "bitcoin" | "testnet" | "regtest" }
//   { "make": "ethereum", "form": "bytes" | "json", "fields": { … as ethers takes them } }
//   { "make": "ethereum-address", "key": "<hex, uncompressed>" }
// Out: a JSON array of texts: transactions in Base64 (of JSON: as it is), addresses.
'use strict';

const {
  PublicKey, SystemProgram, Transaction, TransactionMessage, VersionedTransaction,
} = require('@solana/web3.js');
const bitcoin = require('bitcoinjs-lib');
const ecc = require('@bitcoinerlab/secp256k1');
const ethers = require('ethers');

bitcoin.initEccLib(ecc);

const key = (hex) => new PublicKey(Buffer.from(hex, 'hex'));
const usual = 'EETubP5AKHgjPAhzPAFcb8BAY1hMH639CWCFTqi3hq1k';

const solana = ({ version, payer, to, lamports, blockhash = usual, nonce, trailing }) => {
  const payerKey = key(payer);
  const instructions = [SystemProgram.transfer({ fromPubkey: payerKey, toPubkey: key(to), lamports })];
  if (nonce) {
    const advance = SystemProgram.nonceAdvance({ noncePubkey: key(nonce), authorizedPubkey: payerKey });
    if (trailing) advance.data = Buffer.concat([advance.data, Buffer.of(0)]);
    instructions.unshift(advance);
  }
  if (version === 'legacy') {
    const made = new Transaction({ recentBlockhash: blockhash, feePayer: payerKey }).add(...instructions);
    return made.serialize({ requireAllSignatures: false, verifySignatures: false }).toString('base64');
  }
  const message = new TransactionMessage({ payerKey, recentBlockhash: blockhash, instructions });
  return Buffer.from(new VersionedTransaction(message.compileToV0Message()).serialize()).toString('base64');
};

const ethereum = ({ form, fields }) => {
  const made = ethers.Transaction.from(fields);
  return form === 'json' ? JSON.stringify(made) : Buffer.from(ethers.getBytes(made.unsignedSerialized)).toString('base64');
};

const makers = {
  solana,
  ethereum,
  'ethereum-address': ({ key: point }) => ethers.computeAddress(`0x${point}`),
  'solana-address': (element) => key(element.key).toBase58(),
  'taproot-address': (element) => bitcoin.payments.p2tr({
    internalPubkey: Buffer.from(element.key, 'hex'), network: bitcoin.networks[element.network],
  }).address,
};

const chunks = [];
process.stdin.on('data', (chunk) => chunks.push(chunk));
process.stdin.on('end', () => {
  const made = JSON.parse(Buffer.concat(chunks).toString('utf8')).map((element) => makers[element.make](element));
  process.stdout.write(JSON.stringify(made));
});

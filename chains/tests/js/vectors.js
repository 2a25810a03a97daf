// Prints ../data/solana.json: transactions as the reference libraries build, sign and serialise them.
//
//   npm ci --ignore-scripts && npm install --no-save --ignore-scripts @solana/spl-token@0.4.15
//   node vectors.js > ../data/solana.json
'use strict';

const {
  AddressLookupTableAccount,
  ComputeBudgetProgram,
  Keypair,
  PublicKey,
  SystemProgram,
  Transaction,
  TransactionInstruction,
  TransactionMessage,
  VersionedTransaction,
} = require('@solana/web3.js');
const token = require('@solana/spl-token');

const pair = (seed) => Keypair.fromSeed(Uint8Array.from(Array(32).fill(seed)));
const base64 = (bytes) => Buffer.from(bytes).toString('base64');

const wallet = pair(8);
const other = pair(10);
const to = pair(9).publicKey;
const nonce = pair(11).publicKey;
const mint = pair(12).publicKey;
const blockhash = 'EETubP5AKHgjPAhzPAFcb8BAY1hMH639CWCFTqi3hq1k';

const cases = [];

function legacy(name, instructions, signers = [wallet], payer = wallet) {
  const transaction = new Transaction({ recentBlockhash: blockhash, feePayer: payer.publicKey }).add(...instructions);
  const unsigned = base64(transaction.serialize({ requireAllSignatures: false, verifySignatures: false }));
  transaction.sign(...signers);
  const message = base64(transaction.serializeMessage());
  cases.push({ name, unsigned, message, signed: base64(transaction.serialize()) });
}

function v0(name, instructions, tables = []) {
  const parts = { payerKey: wallet.publicKey, recentBlockhash: blockhash, instructions };
  const transaction = new VersionedTransaction(new TransactionMessage(parts).compileToV0Message(tables));
  const unsigned = base64(transaction.serialize());
  transaction.sign([wallet]);
  const message = base64(transaction.message.serialize());
  cases.push({ name, unsigned, message, signed: base64(transaction.serialize()) });
}

const transfer = SystemProgram.transfer({ fromPubkey: wallet.publicKey, toPubkey: to, lamports: 49 });
const advance = SystemProgram.nonceAdvance({ noncePubkey: nonce, authorizedPubkey: wallet.publicKey });
const memo = new TransactionInstruction({
  keys: [],
  programId: new PublicKey('MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr'),
  data: Buffer.from('invoice 7'),
});
const from = token.getAssociatedTokenAddressSync(mint, wallet.publicKey);
const into = token.getAssociatedTokenAddressSync(mint, to);
const table = new AddressLookupTableAccount({
  key: other.publicKey,
  state: {
    deactivationSlot: 2n ** 64n - 1n,
    lastExtendedSlot: 0,
    lastExtendedSlotStartIndex: 0,
    authority: undefined,
    addresses: [to, pair(20).publicKey, pair(21).publicKey],
  },
});

legacy('legacy transfer', [transfer]);
v0('v0 transfer with compute budget', [
  ComputeBudgetProgram.setComputeUnitLimit({ units: 1000 }),
  ComputeBudgetProgram.setComputeUnitPrice({ microLamports: 12345678 }),
  transfer,
]);
v0('v0 durable nonce with memo', [advance, transfer, memo]);
legacy('legacy durable nonce', [advance, transfer]);
legacy('nonce advanced second', [transfer, advance]);
v0('v0 checked token transfer to a new account', [
  token.createAssociatedTokenAccountIdempotentInstruction(wallet.publicKey, into, to, mint),
  token.createTransferCheckedInstruction(from, mint, into, wallet.publicKey, 1500000n, 6),
]);
legacy('legacy unchecked token transfer', [
  token.createTransferInstruction(from, into, wallet.publicKey, 2n ** 64n - 1n),
]);
v0('v0 token-2022 transfer', [
  token.createTransferCheckedInstruction(from, mint, into, wallet.publicKey, 5n, 0, [], token.TOKEN_2022_PROGRAM_ID),
]);
v0('v0 transfer to a lookup table entry', [transfer], [table]);
legacy('two signers, another pays', [transfer], [other, wallet], other);
legacy('create account of another program', [
  SystemProgram.createAccount({
    fromPubkey: wallet.publicKey,
    newAccountPubkey: other.publicKey,
    lamports: 1000000,
    space: 165,
    programId: token.TOKEN_PROGRAM_ID,
  }),
], [wallet, other]);
legacy('unknown program', [
  new TransactionInstruction({
    keys: [{ pubkey: wallet.publicKey, isSigner: true, isWritable: true }],
    programId: pair(33).publicKey,
    data: Buffer.from([1, 2, 3]),
  }),
]);
legacy('price without a limit', [ComputeBudgetProgram.setComputeUnitPrice({ microLamports: 1000000000 }), transfer]);

const origin =
  '@solana/web3.js 1.99.0 and @solana/spl-token 0.4.15, by ../js/vectors.js. Keys are Keypair.fromSeed of 32 equal bytes: 8 is the wallet, 10 the other signer.';
process.stdout.write(`${JSON.stringify({ origin, cases }, null, 1)}\n`);

// Prints ../data/ethereum.json: transactions of the reference library's own published tests, and some that it builds and signs.
//
//   npm ci --ignore-scripts && npm install --no-save --ignore-scripts @ethersproject/testcases@5.8.0
//   node ethereum.js > ../data/ethereum.json
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const zlib = require('node:zlib');
const { Interface, SigningKey, Transaction, computeAddress } = require('ethers');

const suite = path.dirname(require.resolve('@ethersproject/testcases/package.json'));
const tests = (name) => JSON.parse(zlib.gunzipSync(fs.readFileSync(path.join(suite, 'testcases', `${name}.json.gz`))));

// Every fortieth with a chain id, and all of chains that are in our table.
const known = [1, 10, 56, 137];
const chosen = (tx, index) => known.includes(tx.chainId) || (tx.chainId && index % 40 === 0);

const feeMarket = tests('typed-transactions')
  .filter(({ tx }, index) => tx.type === 2 && chosen(tx, index))
  .map(({ name, key, address, tx, unsigned, signed }) => ({ name, key, address, tx, unsigned, signed }));

const accessList = tests('typed-transactions')
  .filter(({ tx }, index) => tx.type === 1 && chosen(tx, index)).slice(0, 4)
  .map(({ name, key, address, tx, unsigned, signed }) => ({ name, key, address, tx, unsigned, signed }));

// Nodes count nonce and gas in 64 bits, which some of these tests don't.
const fits = (text) => text === '0x' || BigInt(text) < 1n << 64n;
const legacy = tests('transactions')
  .filter((test, index) => test.nonce && test.v === undefined && index % 20 === 0 && fits(test.nonce) && fits(test.gasLimit))
  .map((test) => {
    const { nonce, gasPrice, gasLimit, value, data } = test;
    const to = test.to && test.to !== '0x' ? test.to : null;
    const fields = Object.entries({ nonce, gasPrice, gasLimit, value }).map(([name, text]) => [name, text === '0x' ? '0x0' : text]);
    return {
      name: test.name,
      key: test.privateKey,
      address: test.accountAddress,
      tx: { type: 0, chainId: 5, ...Object.fromEntries(fields), to, data },
      unsigned: test.unsignedTransactionChainId5,
      signed: test.signedTransactionChainId5,
    };
  });

// The key of the example in EIP-155.
const key = new SigningKey(`0x${'46'.repeat(32)}`);
const address = computeAddress(key);
const to = '0x3535353535353535353535353535353535353535';
const token = '0xdAC17F958D2ee523a2206206994597C13D831ec7';
const erc20 = new Interface([
  'function transfer(address to, uint256 amount)',
  'function transferFrom(address from, address to, uint256 amount)',
  'function approve(address spender, uint256 amount)',
  'function mint(uint256 amount)',
]);
const call = (name, ...values) => erc20.encodeFunctionData(name, values);
const largest = (bits) => (1n << BigInt(bits)) - 1n;

const gwei = 1_000_000_000n;
const old = { type: 0, chainId: 1, nonce: 9, gasPrice: 20n * gwei, gasLimit: 21_000, to, value: 10n ** 18n };
const market = {
  type: 2, chainId: 1, nonce: 9, maxPriorityFeePerGas: gwei, maxFeePerGas: 30n * gwei, gasLimit: 21_000, to, value: 10n ** 17n,
};
const tokens = { ...market, to: token, value: 0, gasLimit: 70_000 };

function build(name, fields) {
  const tx = Transaction.from(fields);
  const built = { name, key: key.privateKey, address, tx: tx.toJSON(), unsigned: tx.unsignedSerialized };
  tx.signature = key.sign(tx.unsignedHash);
  return { ...built, signed: tx.serialized };
}

const built = [
  build('legacy transfer', old),
  build('transfer', market),
  build('transfer to oneself', { ...market, to: address, value: 0 }),
  build('transfer with access list', {
    ...market, gasLimit: 30_000, accessList: [{ address: token, storageKeys: [`0x${'00'.repeat(31)}07`, `0x${'ff'.repeat(32)}`] }],
  }),
  build('transfer to the zero address', { ...market, to: `0x${'00'.repeat(20)}` }),
  build('absurd fee', { ...market, maxFeePerGas: 100_000n * gwei }),
  build('transfer on Base', { ...market, chainId: 8453 }),
  build('transfer on Polygon', { ...market, chainId: 137 }),
  build('legacy transfer on Lux', { ...old, chainId: 96369 }),
  build('transfer on Sepolia', { ...market, chainId: 11155111 }),
  build('token transfer', { ...tokens, data: call('transfer', to, 1_500_000) }),
  build('token transfer with coins', { ...tokens, value: 5, data: call('transfer', to, 1_500_000) }),
  build('token transfer to the token', { ...tokens, data: call('transfer', token, 1) }),
  build('token transfer of more than is counted', { ...tokens, data: call('transfer', to, largest(129)) }),
  build('legacy token transfer', { ...old, to: token, value: 0, gasLimit: 70_000, data: call('transfer', to, largest(128)) }),
  build('token transfer from another', { ...tokens, data: call('transferFrom', to, address, 7) }),
  build('approval', { ...tokens, data: call('approve', to, 1_500_000) }),
  build('approval of everything', { ...tokens, data: call('approve', to, largest(256)) }),
  build('approval of everything in 96 bits', { ...tokens, data: call('approve', to, largest(96)) }),
  build('unknown call', { ...tokens, value: 3, data: call('mint', 7) }),
  build('data that calls no function', { ...tokens, data: '0x6869' }),
  build('contract creation', { ...market, to: null, gasLimit: 100_000, value: 0, data: '0x600160005500' }),
  build('contract creation with coins', { ...market, to: null, gasLimit: 100_000, data: '0x600160005500' }),
];

const lines = (cases) => cases.map((one) => `  ${JSON.stringify(one)}`).join(',\n');
const file = { legacy, 'fee-market': feeMarket, 'access-list': accessList, built };
const parts = Object.entries(file).map(([name, cases]) => ` ${JSON.stringify(name)}: [\n${lines(cases)}\n ]`);
process.stdout.write(`{\n${parts.join(',\n')}\n}\n`);
